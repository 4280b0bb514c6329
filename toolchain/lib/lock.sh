# Locks: one deployment of a stack at a time, one run of the tests, one installation of tools.
# shellcheck shell=bash

# hold_stack_lock: fails at once if another command works on the same stack.
hold_stack_lock() {
  hold_lock "stack-$STACK_NAME" "another command already works on the stack $STACK_NAME"
}

# hold_lock NAME PROBLEM: fails at once with PROBLEM if another command holds the lock of that name.
# The lock (file descriptor 9) is held until this command and its children have ended; services close it (process.sh).
hold_lock() {
  local file="$RUN_FOLDER/$1.lock"
  exec 9>>"$file"
  flock --nonblock 9 && return
  fail "$2 ($(lock_holders "$file"))" "wait until it has ended, then run the command again"
}

# lock_holders FILE: the first process, other than this one, that has the file open.
lock_holders() {
  local link process holders=()
  for link in /proc/[0-9]*/fd/9; do
    process=${link#/proc/}
    process=${process%%/*}
    [[ $process == "$$" || "$(readlink "$link" 2>/dev/null)" != "$1" ]] || holders+=("$process")
  done
  printf 'process %s' "${holders[0]:-unknown}"
}

# with_tool_lock COMMAND...: runs it under the lock of the tools, so that two stacks do not install the same tool at once.
with_tool_lock() {
  exec 8>>"$RUN_FOLDER/tools.lock"
  flock --nonblock 8 || { say "another command is installing tools, waiting for it"; flock 8; }
  "$@"
  exec 8>&-
}
