# Progress lines and failures. Every line carries the seconds since the command began.
# shellcheck shell=bash

# When the command began; exported to the scripts that it calls.
export TOOLCHAIN_STARTED="${TOOLCHAIN_STARTED:-$(date +%s)}"

# clock SECONDS: as minutes:seconds.
clock() {
  printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# elapsed: the time since the command began, as minutes:seconds.
elapsed() {
  clock $(($(date +%s) - TOOLCHAIN_STARTED))
}

# say MESSAGE...: one progress line on standard error.
say() {
  printf '[%s] %s\n' "$(elapsed)" "$*" >&2
}

# fail MESSAGE FIX: prints what is wrong and how to fix it, then ends the command with status 1.
fail() {
  printf '[%s] error: %s\n        fix: %s\n' "$(elapsed)" "$1" "$2" >&2
  exit 1
}

# log_tail FILE: the last lines of a log, indented, on standard error.
log_tail() {
  [[ -s $1 ]] || return 0
  tail -n 15 -- "$1" | sed 's/^/        | /' >&2
}

# step NAME COMMAND...: runs a long, quiet command with its output in the log folder.
# Prints the log's last line every 15 seconds, and the end of the log if the command fails.
step() {
  local name=$1 status=0 log worker
  shift
  log="$LOG_FOLDER/$name.log"
  say "$name: started (log: $log)"
  "$@" >"$log" 2>&1 </dev/null &
  worker=$!
  watch_step "$name" "$worker" "$log"
  wait "$worker" || status=$?
  if ((status != 0)); then
    log_tail "$log"
    say "$name: failed with status $status, see $log"
    return "$status"
  fi
  say "$name: done"
}

# watch_step NAME PROCESS LOG: prints the log's last line every 15 seconds while the process runs.
watch_step() {
  local name=$1 worker=$2 log=$3 ticks=0
  while kill -0 "$worker" 2>/dev/null; do
    sleep 0.2
    ticks=$((ticks + 1))
    if ((ticks % 75 == 0)); then
      say "$name: $(tail -n 1 -- "$log" | tr -d '\r' | cut -c 1-120)"
    fi
  done
}
