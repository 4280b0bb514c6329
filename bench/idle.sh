#!/usr/bin/env bash
# bench/idle.sh [STACK=dev] [SECONDS=60]: measures the CPU use of an idle stack, and the memory and threads of its services.
# Run it on the engine's machine, as root, while nothing else uses the engine.
#
# The engine's share is dockerd, containerd, and the stack's shims with their finished children. Health checks count both in a
# shim and in their container, so the sum is an upper bound.
set -euo pipefail

STACK=${1:-dev} DURATION=${2:-60}

mapfile -t containers < <(docker ps --no-trunc --quiet --filter "label=cp-whisperx.stack=$STACK")
((${#containers[@]})) || { echo "stack $STACK has no running container here" >&2; exit 1; }

# control_group ID: the container's CPU time in nanoseconds, from cgroup v1 or v2.
control_group() {
  local version_1 version_2
  version_1=$(find /sys/fs/cgroup -path "*$1*/cpuacct.usage")
  version_2=$(find /sys/fs/cgroup -path "*$1*/cpu.stat")
  if [[ $version_1 ]]; then cat "$version_1"; else awk '$1 == "usage_usec" { printf "%.0f", $2 * 1000 }' "$version_2"; fi
}

# processes PATTERN FIELD...: sum of these fields of /proc/PID/stat, in nanoseconds, over the processes that match.
processes() {
  local pattern=$1 process ticks=0 field values
  shift
  for process in $(pgrep --full -- "$pattern"); do
    read -r -a values <<<"$(sed 's/.*) //' "/proc/$process/stat" 2>/dev/null)" || continue
    for field in "$@"; do ticks=$((ticks + ${values[field - 3]:-0})); done
  done
  echo $((ticks * (1000000000 / $(getconf CLK_TCK))))
}

# clocks: one line per part: its name and its CPU time in nanoseconds.
clocks() {
  local id used=0
  for id in "${containers[@]}"; do used=$((used + $(control_group "$id"))); done
  echo "containers $used"
  echo "dockerd $(processes '(^|/)dockerd( |$)' 14 15)"
  echo "containerd $(processes '(^|/)containerd( |$)' 14 15)"
  echo "shims $(processes "containerd-shim.*-id ($(IFS='|'; echo "${containers[*]}"))" 14 15 16 17)"
}

before=$(clocks)
sleep "$DURATION"
after=$(clocks)
join <(sort <<<"$before") <(sort <<<"$after") | awk -v seconds="$DURATION" '
  { part = ($3 - $2) / 1e9 / seconds; sum += part; printf "%-11s %.4f of a core\n", $1, part }
  END { printf "%-11s %.4f of a core\n", "together", sum }'
docker stats --no-stream --format '{{.Name}}\t{{.MemUsage}}\t{{.PIDs}} processes and threads' "${containers[@]}" | sort
