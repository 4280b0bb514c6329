#!/usr/bin/env bash
# bench/idle.sh [STACK] [SECONDS]: what part of a core a stack takes that has nothing to do, and the memory and threads of its
# services. On the engine's own machine, as root, while nothing else uses the engine.
#
# The engine's part is that of dockerd, containerd and the stack's shims with the programs they waited for. Those of a health
# check count in its container as well: the sum is an upper bound.
set -euo pipefail

STACK=${1:-dev} DURATION=${2:-60}

mapfile -t containers < <(docker ps --no-trunc --quiet --filter "label=cp-whisperx.stack=$STACK")
((${#containers[@]})) || { echo "stack $STACK has no running container here" >&2; exit 1; }

# control_group ID: nanoseconds of CPU that the container has used, from control groups of version 1 or 2.
control_group() {
  local version_1 version_2
  version_1=$(find /sys/fs/cgroup -path "*$1*/cpuacct.usage")
  version_2=$(find /sys/fs/cgroup -path "*$1*/cpu.stat")
  if [[ $version_1 ]]; then cat "$version_1"; else awk '$1 == "usage_usec" { printf "%.0f", $2 * 1000 }' "$version_2"; fi
}

# processes PATTERN FIELD...: nanoseconds in these fields of /proc/PID/stat, of the processes whose command line matches.
processes() {
  local pattern=$1 process ticks=0 field values
  shift
  for process in $(pgrep --full -- "$pattern"); do
    read -r -a values <<<"$(sed 's/.*) //' "/proc/$process/stat" 2>/dev/null)" || continue
    for field in "$@"; do ticks=$((ticks + ${values[field - 3]:-0})); done
  done
  echo $((ticks * (1000000000 / $(getconf CLK_TCK))))
}

# clocks: a line for each part, with the nanoseconds that it has used.
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
