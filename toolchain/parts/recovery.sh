# Recovery: a killed deployment leaves a lock, pending operations, and containers that the state does not contain.
# shellcheck shell=bash

UNFINISHED_FILE="$RUN_FOLDER/stack-$STACK_NAME.unfinished"
# The state as it was when this command began. Secrets are encrypted in it.
STATE_EXPORT="$RUN_FOLDER/stack-$STACK_NAME.export.json"

# begin_deployment: repairs state and engine if the last deployment was interrupted, by make or by plain Pulumi.
begin_deployment() {
  release_stale_locks
  query_stack stack export >"$STATE_EXPORT"
  if state_contains pending_operations; then : >"$UNFINISHED_FILE"; fi
  if [[ -e $UNFINISHED_FILE ]]; then recover; fi
  : >"$UNFINISHED_FILE"
}

# state_contains WORD: true if WORD is a key or a value of the state, as it was when this command began.
state_contains() { grep --quiet --fixed-strings "\"$1\"" "$STATE_EXPORT"; }

# end_deployment: Pulumi has finished writing its state, whether everything was deployed or not.
end_deployment() {
  rm -f -- "$UNFINISHED_FILE"
}

# update_stack PROBLEM OPTION...: runs pulumi up with these options; fails with PROBLEM. A build of images needs no
# begin_deployment and leaves its mark alone.
update_stack() {
  local problem=$1 status=0
  shift
  show_pulumi up --yes --skip-preview --suppress-outputs --stack "$STACK_NAME" "$@" || status=$?
  # After a kill the state may lack the running operation.
  [[ ${CP_WHISPERX_BUILD:-} == yes ]] || was_killed "$status" || end_deployment
  ((status == 0)) || fail "$problem" "fix what the messages above name and run the command again: it resumes where it stopped"
}

# recover: removes the pending operations from the state, then the containers and networks that it does not contain. The next
# deployment repeats the operations.
recover() {
  local log="$LOG_FOLDER/recovery.log"
  say "state: the last deployment was interrupted; cleaning up after it"
  # An import removes pending operations. It fails while another update runs, so the containers of that update stay.
  if pulumi_here stack import --stack "$STACK_NAME" --file "$STATE_EXPORT" >"$log" 2>&1 \
    && on_engine python3 "$TOOLCHAIN_FOLDER/recovery.py" "$STACK_NAME" "$STATE_EXPORT" >&2; then
    return
  fi
  log_tail "$log"
  fail "the leftovers of the last deployment could not be cleaned up" "see the messages above; $STATE_EXPORT is the exported state"
}

# release_stale_locks: removes Pulumi's locks of this stack if their process on this host is gone; waits for a running one,
# for example if only make was killed. Only for a file backend: Pulumi Cloud handles its locks itself.
release_stale_locks() {
  local lock content host process
  for lock in "$(state_folder)"/.pulumi/locks/*/cp-whisperx/"$STACK_NAME"/*.json; do
    content=$(cat -- "$lock" 2>/dev/null) || continue
    host=$(json_value hostname <<<"$content") process=$(json_value pid <<<"$content")
    if [[ $host != "$(uname --nodename)" ]] || ! await_lock "$lock" "$process"; then
      fail "Pulumi already works on the stack $STACK_NAME (process $process on $host)" "wait until it has ended; if it never ends: rm '$lock'"
    fi
    [[ -e $lock ]] || continue
    say "state: process $process was killed, releasing its lock"
    rm -f -- "$lock" "$lock.attrs"
  done
}

# await_lock LOCK PROCESS: waits for the lock's release; false after PATIENCE seconds.
await_lock() {
  ! holds_lock "$@" || say "state: Pulumi (process $2) works on the stack $STACK_NAME, waiting for it"
  wait_until "Pulumi (process $2)" lets_go_of_lock "$@"
}

lets_go_of_lock() { ! holds_lock "$@"; }

# holds_lock LOCK PROCESS: false if the process is younger than the lock: then the process id was reused. One minute of
# tolerance covers a clock that was set in between.
holds_lock() {
  [[ -e $1 ]] && runs_as "$2" pulumi && (($(process_start "$2") <= $(stat --format %Y -- "$1") + 60))
}

# state_folder: the folder of a file backend; a nonexistent one for any other backend.
state_folder() {
  local address=${PULUMI_BACKEND_URL:-}
  [[ -n $address ]] || address=$(sed -n 's/^ *url: *//p' "$PROJECT_FOLDER/Pulumi.yaml")
  [[ $address == file://* ]] || address=file:///nowhere
  address=${address#file://}
  printf '%s' "${address/#\~/$HOME}"
}
