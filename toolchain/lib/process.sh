# Services without a service manager. The process table shows whether one runs; a slow answer only means a busy machine.
# shellcheck shell=bash

# runs_as PROCESS NAME: true if that process runs and its program is called NAME. Works for every user's processes.
runs_as() {
  local program
  [[ $1 =~ ^[0-9]+$ ]] && lives "$1" || return 1
  { program=$(<"/proc/$1/comm"); } 2>/dev/null
  [[ $program == "$2" ]]
}

# lives PROCESS: false for one that has ended, a zombie included.
lives() {
  [[ "$(process_state "$1")" == [!ZX] ]]
}

# process_state PROCESS: the kernel's letter, such as T for stopped; empty if there is no such process.
process_state() {
  local facts
  { facts=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  facts=${facts##*) }
  printf '%s' "${facts%% *}"
}

# process_start PROCESS: in seconds since 1970.
process_start() {
  local boot facts
  boot=$(awk '$1 == "btime" { print $2 }' /proc/stat)
  facts=$(<"/proc/$1/stat")
  read -ra facts <<<"${facts##*) }"
  printf '%d' $((boot + facts[19] / $(getconf CLK_TCK)))
}

# service_process NAME: the process id of our service: the program of that name that writes to the service's log.
service_process() {
  local name=$1 log folder target
  log="$(realpath -- "$LOG_FOLDER")/$name.log"
  while read -r folder target; do
    folder=${folder%/fd}
    if [[ ${target% (deleted)} == "$log" ]] && runs_as "${folder#/proc/}" "$name"; then
      printf '%s' "${folder#/proc/}"
      return
    fi
  done < <(find /proc/[0-9]*/fd/1 -maxdepth 0 -printf '%h %l\n' 2>/dev/null)
}

# drop_stale_pid_file FILE NAME: removes a pid file if its process has ended or is another program.
drop_stale_pid_file() {
  local file=$1 name=$2
  [[ -e $file ]] || return 0
  runs_as "$(cat -- "$file")" "$name" || rm -f -- "$file"
}

# ensure_service NAME CHECK ADDRESS COMMAND...: returns when `CHECK SECONDS` succeeds. Starts COMMAND only if the service does
# not run and nothing listens at the address. Restarts our process if it can no longer be reached.
ensure_service() {
  local name=$1 check=$2 address=$3 log="$LOG_FOLDER/$1.log" process
  shift 3
  "$check" 5 >/dev/null && return
  process=$(service_process "$name")
  if [[ -n $process ]]; then
    await_service "$name" "$check" "$address" "$process" && return
    end_process "$name" "$process"
  fi
  await_other_service "$name" "$check" "$address" && return
  say "$name: starting (log: $log)"
  # In its own session, without our locks.
  setsid -- "$@" >>"$log" 2>&1 </dev/null 8>&- 9>&- &
  process=$!
  await_service "$name" "$check" "$address" "$process" && return
  log_tail "$log"
  if lives "$process"; then
    fail "$name runs (process $process) and has not answered for $PATIENCE s" "read $log and run the command again"
  fi
  fail "$name ended during its start" "read $log; usual causes are a full disk, missing permissions (run as root) or a port in use"
}

# await_service NAME CHECK ADDRESS PROCESS: false if the process ends, its socket file is gone or after PATIENCE seconds.
await_service() {
  local name=$1 check=$2 went=$SECONDS
  await_answer "$name (process $4)" "$check" is_unreachable "$name" "$3" "$4"
}

# is_unreachable NAME ADDRESS PROCESS: whether to stop waiting. Continues a stopped process; $went is when it last ran.
is_unreachable() {
  local name=$1 address=$2 process=$3
  lives "$process" || return 0
  if has_lost_socket "$address"; then
    say "$name: process $process runs, but its socket ${address#unix://} is gone"
    return
  fi
  if [[ "$(process_state "$process")" != T ]]; then
    went=$SECONDS
  elif ((SECONDS >= went + PATIENCE / 10)); then
    say "$name: process $process is stopped (SIGSTOP), sending SIGCONT"
    kill -CONT "$process" 2>/dev/null || true
    went=$SECONDS
  fi
  return 1
}

# await_other_service NAME CHECK ADDRESS [FIX]: waits for a listener that we did not start. False if nothing listens; fails if it
# never answers.
await_other_service() {
  local name=$1 check=$2 address=$3 advice=${4:-stop it, or find out why it does not answer}
  refuses "$address" && return 1
  patiently "$name at $address" "$check" >/dev/null && return
  refuses "$address" && return 1
  fail "$address is taken by $(listener "$address"), which is not ours and does not answer as $name" "$advice"
}

# stop_service NAME: returns when the service's process has ended; it may finish its work.
stop_service() {
  local process
  process=$(service_process "$1")
  [[ -z $process ]] || end_process "$1" "$process"
}

# end_process NAME PROCESS: sends SIGTERM, and SIGKILL after PATIENCE seconds. buildkitd finishes its builds first.
end_process() {
  local name=$1 process=$2
  lives "$process" || return 0
  say "$name: ending process $process"
  # It may end by itself at any moment.
  { kill -TERM "$process" && kill -CONT "$process"; } 2>/dev/null || true
  wait_until "the end of $name (process $process)" process_is_gone "$process" && return
  say "$name: killing process $process"
  kill -KILL "$process" 2>/dev/null || true
  wait_until "the end of $name (process $process)" process_is_gone "$process" \
    || fail "the kernel cannot end $name (process $process)" "read dmesg: a disk or a network file system hangs"
}

process_is_gone() { ! lives "$1"; }

# was_killed STATUS: true if a signal ended the command. Pulumi ends with 255 if a deployment failed.
was_killed() {
  (($1 > 128 && $1 <= 192))
}
