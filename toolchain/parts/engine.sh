# The Docker engine: used where it answers, started where it is installed, installed where it is missing.
# shellcheck shell=bash

# ensure_engine: returns with an engine that answers and is new enough.
ensure_engine() {
  engine_answers || provide_engine
  check_engine_version
}

# engine_version: what the engine says of itself; fails where none answers.
engine_version() {
  timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null
}

engine_answers() {
  command -v docker >/dev/null && engine_version >/dev/null
}

# provide_engine: installs an engine where there is none on this machine, then starts it.
provide_engine() {
  if [[ -n ${DOCKER_HOST:-} ]]; then
    fail "no engine answers at DOCKER_HOST=$DOCKER_HOST" "start that engine, or unset DOCKER_HOST to use one on this machine"
  fi
  command -v dockerd >/dev/null || install_engine
  command -v docker >/dev/null || install_packages docker-client docker.io
  ((EUID == 0)) || fail "the Docker engine is stopped and starting it needs root" "start it (systemctl start docker) and let your user into the docker group, or run the command as root"
  start_engine
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
    || fail "https://get.docker.com could not be read" "try again, or set TOOLCHAIN_SOURCE=packages to take Debian's docker.io"
  step engine-install sh "$script" \
    || fail "Docker's installation script failed" "read $LOG_FOLDER/engine-install.log, or set TOOLCHAIN_SOURCE=packages to take Debian's docker.io"
}

# start_engine: by the service manager where one runs, otherwise by hand.
start_engine() {
  if [[ -d /run/systemd/system ]]; then
    say "engine: starting docker.service"
    systemctl start docker || fail "docker.service did not start" "read journalctl --unit docker"
    wait_until 60 engine_answers || fail "docker.service runs but no engine answers" "read journalctl --unit docker"
    return
  fi
  drop_stale_pid_file /var/run/docker.pid dockerd
  drop_stale_pid_file /var/run/docker/containerd/containerd.pid containerd
  start_service dockerd engine_answers dockerd
}

check_engine_version() {
  local version
  version=$(engine_version) || fail "the Docker engine stopped answering" "run the command again; its log is $LOG_FOLDER/dockerd.log"
  at_least "$version" "$DOCKER_MINIMUM_VERSION" \
    || fail "the Docker engine is $version, the stack needs $DOCKER_MINIMUM_VERSION or newer" "upgrade it, or point DOCKER_HOST at a newer one"
}
