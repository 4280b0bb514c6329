# Waiting: a slow service is not a broken one.
# shellcheck shell=bash

# Seconds until a running process that does not answer counts as broken. Tests override it.
PATIENCE="${CP_WHISPERX_PATIENCE:-600}"

# wait_until WHAT COMMAND...: true as soon as the command succeeds, false after PATIENCE seconds.
wait_until() {
  local what=$1 begin=$SECONDS said=$SECONDS
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < begin + PATIENCE)) || return 1
    if ((SECONDS >= said + 30)); then
      say "waiting for $what"
      said=$SECONDS
    fi
    sleep 0.2
  done
}

# await_answer WHAT CHECK OVER...: true as soon as `CHECK SECONDS` succeeds, with a longer timeout at each attempt; false if
# the command OVER succeeds or after PATIENCE seconds.
await_answer() {
  local what=$1 check=$2 limit=5 begin=$SECONDS said=$SECONDS
  shift 2
  until "$check" "$limit" >/dev/null; do
    ! "$@" || return 1
    ((SECONDS < begin + PATIENCE)) || return 1
    if ((SECONDS >= said + 30)); then
      say "$what has not answered for $((SECONDS - begin)) s, waiting"
      said=$SECONDS
    fi
    sleep 0.2
    limit=$((limit < 60 ? limit * 2 : 60))
  done
}

# patiently WHAT COMMAND...: retries `COMMAND SECONDS` while it ends with 124, the status of timeout. Each attempt has twice
# the timeout of the one before; 124 after PATIENCE seconds.
patiently() {
  local what=$1 limit=10 begin=$SECONDS status left
  shift
  while :; do
    status=0
    "$@" "$limit" || status=$?
    left=$((begin + PATIENCE - SECONDS))
    ((status == 124 && left > 0)) || return "$status"
    say "$what has not answered within $limit s, retrying"
    limit=$((limit * 2 < left ? limit * 2 : left))
  done
}
