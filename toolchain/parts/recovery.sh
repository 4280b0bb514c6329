# Recovery: a deployment that was killed leaves a lock, operations whose end nobody knows, and containers nobody knows.
# shellcheck shell=bash

UNFINISHED_FILE="$RUN_FOLDER/stack-$STACK_NAME.unfinished"

# begin_deployment: makes state and engine fit each other again where the last deployment did not come to its end.
begin_deployment() {
  release_stale_locks
  if [[ -e $UNFINISHED_FILE ]]; then recover; fi
  : >"$UNFINISHED_FILE"
}

# end_deployment: Pulumi has written its state to the end, whether everything was deployed or not.
end_deployment() {
  rm -f -- "$UNFINISHED_FILE"
}

# update_stack PROBLEM OPTION...: pulumi up with these options, between begin_deployment and its end; fails with the problem.
update_stack() {
  local problem=$1 status=0
  shift
  pulumi_here up --yes --skip-preview --stack "$STACK_NAME" "$@" || status=$?
  # Where it was killed, its state may lack what it was doing.
  was_killed "$status" || end_deployment
  ((status == 0)) || fail "$problem" "mend what the messages above name and run the command again: it goes on where it stopped"
}

recover() {
  local export="$RUN_FOLDER/stack-$STACK_NAME.export.json"
  say "state: the last deployment was cut off, looking at what it left"
  if pulumi_here stack export --stack "$STACK_NAME" --file "$export" \
    && on_engine python3 "$TOOLCHAIN_FOLDER/recovery.py" "$STACK_NAME" "$export" >&2 \
    && pulumi_here stack import --stack "$STACK_NAME" --file "$export" >"$LOG_FOLDER/recovery.log" 2>&1; then
    rm -f -- "$export"
    return
  fi
  log_tail "$LOG_FOLDER/recovery.log"
  fail "what the last deployment left could not be put in order" "see the messages above; $export is the state as it was read"
}

# release_stale_locks: removes Pulumi's own locks of this stack whose process on this host is gone; fails where it lives.
# Only a backend of files is looked at: a service knows by itself.
release_stale_locks() {
  local lock host process
  for lock in "$(state_folder)"/.pulumi/locks/*/cp-whisperx/"$STACK_NAME"/*.json; do
    [[ -e $lock ]] || continue
    host=$(json_value hostname <"$lock") process=$(json_value pid <"$lock")
    if [[ $host != "$(uname --nodename)" ]] || runs_as "$process" pulumi; then
      fail "Pulumi already works on the stack $STACK_NAME (process $process on $host)" "wait until it has ended; if it never will: rm '$lock'"
    fi
    say "state: process $process was killed, releasing its lock"
    rm -f -- "$lock" "$lock.attrs"
  done
}

# state_folder: the folder of a backend of files, a name that does not exist for any other.
state_folder() {
  local address=${PULUMI_BACKEND_URL:-}
  [[ -n $address ]] || address=$(sed -n 's/^ *url: *//p' "$PROJECT_FOLDER/Pulumi.yaml")
  [[ $address == file://* ]] || address=file:///nowhere
  address=${address#file://}
  printf '%s' "${address/#\~/$HOME}"
}
