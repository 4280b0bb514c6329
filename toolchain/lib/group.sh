# Process groups: when a command ends, everything it started ends, too.
# shellcheck shell=bash disable=SC2034 # the callers read GROUP_STATUS

# The running groups, by the id of their first process; the last one started; the status of the last one that ended.
declare -A ACTIVE_GROUPS=()
GROUP='' GROUP_STATUS=0
# Seconds without output after which a line says that a group still runs.
QUIET_SECONDS=15
# Seconds that the processes of a group have to end before they are killed.
GRACE_SECONDS=30

# end_groups_at_exit: from now on the running groups end with this script, also after Ctrl-C.
end_groups_at_exit() {
  trap 'for GROUP in "${!ACTIVE_GROUPS[@]}"; do end_group "$GROUP"; done' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# run_in_group NAME LOG COMMAND...: runs a command in its own group, with its output in the log and here, then ends what it
# left running. The status is in GROUP_STATUS, because bash ignores set -e in a command that is part of a condition.
run_in_group() {
  local name=$1 log=$2 reader
  shift 2
  : >"$log"
  start_group "$log" "$@"
  tail --follow --lines=+1 --sleep-interval=0.2 --pid="$GROUP" -- "$log" 9>&- &
  reader=$!
  show_alive "$name" "$log" "$GROUP" 9>&- &
  GROUP_STATUS=0
  wait "$GROUP" || GROUP_STATUS=$?
  end_group "$GROUP"
  wait "$reader"
}

# start_group LOG COMMAND...: starts a command in its own group, GROUP, which ends when this script ends.
start_group() {
  local log=$1
  shift
  set -m # each job gets its own process group
  {
    set +m
    "$@"
  } >"$log" 2>&1 </dev/null &
  GROUP=$!
  ACTIVE_GROUPS[$GROUP]=
  end_with "$$" "$GROUP" >/dev/null 2>&1 </dev/null 9>&- &
  set +m
}

# end_with PROCESS GROUP: ends the group when that process has ended, even by kill -9.
end_with() {
  while kill -0 "$1" && ! group_is_gone "$2"; do sleep 1; done
  end_group "$2"
}

# end_group GROUP: sends SIGTERM to its processes, then SIGKILL to those that remain.
end_group() {
  local deadline=$((SECONDS + GRACE_SECONDS))
  unset "ACTIVE_GROUPS[$1]"
  kill -TERM -- "-$1" 2>/dev/null || return 0
  until group_is_gone "$1"; do
    ((SECONDS < deadline)) || { kill -KILL -- "-$1" 2>/dev/null || true; return; }
    sleep 0.1
  done
}

group_is_gone() {
  ! kill -0 -- "-$1" 2>/dev/null
}

# show_alive NAME LOG PROCESS: prints that the process still runs if its log has not grown for QUIET_SECONDS.
show_alive() {
  local name=$1 log=$2 process=$3 started=$SECONDS quiet=$SECONDS size=0 now
  while kill -0 "$process" 2>/dev/null; do
    sleep 1
    now=$(stat --format=%s -- "$log")
    if ((now != size)); then
      size=$now quiet=$SECONDS
    elif ((SECONDS - quiet >= QUIET_SECONDS)); then
      say "$name: still running after $(clock $((SECONDS - started)))"
      quiet=$SECONDS
    fi
  done
}
