# The Docker engine: used if it answers, started if it is installed, installed if it is missing.
# shellcheck shell=bash

# The default socket of docker and dockerd.
ENGINE_ADDRESS=unix:///var/run/docker.sock
ENGINE_PID_FILE=/var/run/docker.pid
ENGINE_LOG="$LOG_FOLDER/engine.log"

# ensure_engine: returns when an engine answers and is new enough.
ensure_engine() {
  local status=0
  ask_engine 20 >/dev/null || status=$?
  case $status in
    0) ;;
    124) await_engine ;;
    *) provide_engine ;;
  esac
  check_engine_version
}

# ask_engine SECONDS: prints the engine's version; docker's error is in $ENGINE_LOG.
ask_engine() {
  timeout "$1" docker version --format '{{.Server.Version}}' 2>"$ENGINE_LOG"
}

engine_answers() {
  ask_engine "$1" >/dev/null
}

# engine_version: prints the version; waits for a slow engine, fails if it cannot answer.
engine_version() {
  patiently "the Docker engine" ask_engine
}

# await_engine: handles an engine that listens but has not answered: repairs ours, waits for another one.
await_engine() {
  if [[ -n "$(service_process dockerd)" ]]; then
    start_engine
  else
    engine_version >/dev/null || fail "the Docker engine does not answer: $(engine_problem)" "docker version shows the same; restart that engine"
  fi
}

# engine_problem: docker's last error line, or that there was no answer.
engine_problem() {
  local words
  words=$(tail -n 1 -- "$ENGINE_LOG")
  printf '%s' "${words:-no answer within $PATIENCE s}"
}

# provide_engine: installs an engine if this machine has none, then starts it.
provide_engine() {
  ! command -v docker >/dev/null || check_engine_absence
  command -v dockerd >/dev/null || install_engine
  command -v docker >/dev/null || install_packages docker-client docker.io
  ((EUID == 0)) || fail "the Docker engine is stopped and starting it needs root" "start it (systemctl start docker) and add your user to the group docker, or run the command as root"
  start_engine
}

# check_engine_absence: fails if docker's error shows an engine elsewhere, or a running one that refuses.
check_engine_absence() {
  local words place
  words=$(engine_problem)
  place=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) || place=$ENGINE_ADDRESS
  if [[ $place != "$ENGINE_ADDRESS" ]]; then
    fail "no engine answers at $place${DOCKER_HOST:+ (DOCKER_HOST)}: $words" "start that engine, or use one on this machine: unset DOCKER_HOST, docker context use default"
  fi
  # Docker 29 changed the message.
  [[ $words == *"annot connect to the Docker daemon"* || $words == *"ailed to connect to the docker API"* ]] && return
  fail "the Docker engine refuses: $words" "add your user to the group docker, or run the command as root"
}

install_engine() {
  if use_official engine https://download.docker.com/; then
    install_official_engine
  else
    install_packages engine docker.io iptables
  fi
}

# install_official_engine: Docker's own installation script, as its documentation has it.
install_official_engine() {
  local script="$RUN_FOLDER/get-docker.sh"
  ((EUID == 0)) || fail "the Docker engine is missing and installing it needs root" "run the command as root, or install Docker by hand"
  curl --fail --silent --show-error --location --retry 3 https://get.docker.com --output "$script" \
    || fail "https://get.docker.com could not be downloaded" "try again, or set TOOLCHAIN_SOURCE=packages to take Debian's docker.io"
  step engine-install sh "$script" \
    || fail "Docker's installation script failed" "read $LOG_FOLDER/engine-install.log, or set TOOLCHAIN_SOURCE=packages to take Debian's docker.io"
}

# start_engine: uses the service manager if one runs, otherwise starts dockerd itself.
start_engine() {
  if [[ -d /run/systemd/system ]]; then
    say "engine: starting docker.service"
    systemctl start docker || fail "docker.service did not start" "read journalctl --unit docker"
    engine_version >/dev/null || fail "docker.service runs but cannot be used: $(engine_problem)" "read journalctl --unit docker"
    return
  fi
  drop_stale_pid_file "$ENGINE_PID_FILE" dockerd
  drop_stale_pid_file /var/run/docker/containerd/containerd.pid containerd
  check_other_engine
  ensure_service dockerd engine_answers "$ENGINE_ADDRESS" dockerd
}

# check_other_engine: waits for an engine that somebody else started; never ends it.
check_other_engine() {
  local process
  [[ -e $ENGINE_PID_FILE ]] || return 0
  process=$(<"$ENGINE_PID_FILE")
  [[ $process != "$(service_process dockerd)" ]] || return 0
  await_answer "dockerd (process $process)" engine_answers process_is_gone "$process" && return
  process_is_gone "$process" \
    || fail "dockerd (process $process) runs, was not started by make up and cannot be reached: $(engine_problem)" "restart it the way it was started"
}

check_engine_version() {
  local version
  version=$(engine_version) || fail "the Docker engine stopped answering" "run the command again; the log is $LOG_FOLDER/dockerd.log"
  at_least "$version" "$DOCKER_MINIMUM_VERSION" \
    || fail "the Docker engine is $version, the stack needs $DOCKER_MINIMUM_VERSION or newer" "upgrade it, or point DOCKER_HOST at a newer one"
}
