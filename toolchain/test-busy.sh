#!/usr/bin/env bash
# make test-busy: make up and make test while other programs use both cores and the disk.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

LOOPS=8
WRITTEN_MEGABYTES=1000
# The load ends after this long, whatever happens.
LONGEST_SECONDS=$((3 * 3600))
FAILED=()

# load_cpus_and_disk: keeps the machine busy. Ends as soon as one of its processes ends.
load_cpus_and_disk() {
  local number
  for ((number = 0; number < LOOPS; number++)); do endless_loop & done
  write_to_disk &
  wait -n
}

endless_loop() {
  while ((SECONDS < LONGEST_SECONDS)); do :; done
}

# write_to_disk: rewrites an unlinked file, which the kernel deletes when the writer ends.
write_to_disk() {
  local file="$RUN_FOLDER/test-busy"
  exec 3<>"$file"
  rm -- "$file"
  while ((SECONDS < LONGEST_SECONDS)); do
    dd if=/dev/zero of=/dev/fd/3 bs=1M count="$WRITTEN_MEGABYTES" conv=notrunc,fsync status=none
  done
}

# timed NAME COMMAND...: runs the command and prints its result and duration; continues after a failure.
timed() {
  local name=$1 log="$LOG_FOLDER/${1// /-}.log" started=$SECONDS result=passed
  shift
  run_in_group "$name" "$log" "$@"
  if ((GROUP_STATUS != 0)); then
    result="failed with status $GROUP_STATUS, its log is $log"
    FAILED+=("$name")
  fi
  say "$name: $result, after $(clock $((SECONDS - started)))"
}

# check_success: fails if any command failed.
check_success() {
  ((${#FAILED[@]} == 0)) || fail "failed: $(printf '%s; ' "${FAILED[@]}")" "read the logs named above"
}

main() {
  local load
  cd -- "$PROJECT_FOLDER"
  end_groups_at_exit
  timed "make up without the load" make up
  check_success
  start_group "$LOG_FOLDER/load.log" load_cpus_and_disk
  load=$GROUP
  timed "make up" make up
  timed "make up again" make up
  timed "make test" make test
  kill -0 "$load" || fail "the load ended before the commands, so the result is not valid" "read $LOG_FOLDER/load.log"
  check_success
  say "make up (twice) and make test passed under the load of $LOOPS busy loops and a disk writer"
}

main
