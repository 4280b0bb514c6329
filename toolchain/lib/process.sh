# Services started by hand: a pid file, a log, and a check that tells whether they answer.
# shellcheck shell=bash

# runs_as PROCESS NAME: true where that process lives and its program is called NAME.
# A pid file that outlived a reboot may carry the number of something else.
runs_as() {
  local process=$1 name=$2 program
  [[ $process =~ ^[0-9]+$ ]] || return 1
  program=$(readlink "/proc/$process/exe" 2>/dev/null) || return 1
  program=${program% (deleted)}
  [[ ${program##*/} == "$name" ]]
}

# drop_stale_pid_file FILE NAME: removes a pid file whose process is gone or is another program.
drop_stale_pid_file() {
  local file=$1 name=$2
  [[ -e $file ]] || return 0
  runs_as "$(cat -- "$file")" "$name" || rm -f -- "$file"
}

# wait_until SECONDS COMMAND...: true as soon as the command succeeds, false when the time is up.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}

# start_service NAME CHECK COMMAND...: does nothing where CHECK succeeds; otherwise starts the command
# apart from this terminal and waits until CHECK succeeds. The program's file name is the first word of COMMAND.
# The log is $LOG_FOLDER/NAME.log, the pid file $RUN_FOLDER/NAME.pid.
start_service() {
  local name=$1 check=$2 log="$LOG_FOLDER/$1.log" pid_file="$RUN_FOLDER/$1.pid" program
  shift 2
  "$check" >/dev/null 2>&1 && return 0
  program=$(basename -- "$(readlink -f -- "$(command -v -- "$1")")")
  drop_stale_pid_file "$pid_file" "$program"
  if [[ ! -e $pid_file ]]; then
    say "$name: starting (log: $log)"
    launch "$pid_file" "$log" "$@"
  fi
  wait_for_service "$name" "$check" "$pid_file" "$program" "$log"
}

# launch PID_FILE LOG COMMAND...: starts the command in a session of its own, without our locks.
launch() {
  local pid_file=$1 log=$2
  shift 2
  setsid -- "$@" >>"$log" 2>&1 </dev/null 8>&- 9>&- &
  printf '%s\n' "$!" >"$pid_file.new"
  mv -f -- "$pid_file.new" "$pid_file"
}

# wait_for_service NAME CHECK PID_FILE PROGRAM LOG: up to 60 seconds; fails at once where the process has ended.
wait_for_service() {
  local name=$1 check=$2 pid_file=$3 program=$4 log=$5 deadline=$((SECONDS + 60))
  sleep 0.1
  until "$check" >/dev/null 2>&1; do
    if ! runs_as "$(cat -- "$pid_file")" "$program"; then
      log_tail "$log"
      fail "$name ended while it started" "read $log; the usual causes are a full disk, missing rights (run as root) or a port in use"
    fi
    if ((SECONDS >= deadline)); then
      log_tail "$log"
      fail "$name runs (process $(cat -- "$pid_file")) but does not answer after 60 s" "read $log, end that process and run the command again"
    fi
    sleep 0.2
  done
}

# was_killed STATUS: whether a command ended by a signal. Pulumi ends with 255 where a deployment has failed.
was_killed() {
  (($1 > 128 && $1 <= 192))
}

# stop_service NAME: ends what start_service started under that name, and returns when it is gone. Nothing is done where it
# does not run.
stop_service() {
  local name=$1 pid_file="$RUN_FOLDER/$1.pid" process
  [[ -e $pid_file ]] || return 0
  process=$(<"$pid_file")
  if runs_as "$process" "$name"; then
    kill -- "$process"
    wait_until 60 process_is_gone "$process" \
      || fail "$name (process $process) does not end" "end it by hand: kill -9 $process"
  fi
  rm -f -- "$pid_file"
}

process_is_gone() {
  ! kill -0 "$1" 2>/dev/null
}
