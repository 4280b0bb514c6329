#!/usr/bin/env bash
# Asks an engine's host and a registry what a stack needs of them, and prints a line for each answer that matters: what is
# missing, with the way out, or `card: INDEX, UUID, DRIVER, MIB` for each GPU. services/preflight.ts judges the cards. The
# status is 0 where everything was asked, whatever the answers. Standard input: the registry's password, if it has one.
#
# STACK              name of the stack
# DOCKER_HOST        ssh://user@machine, where the engine is another machine's
# DISK_MEGABYTES     room that a first deployment takes on the engine's host, in MiB
# GPU_DRIVER         nvidia or cdi: how containers get GPUs; empty where they get none
# NATIVE_ENVIRONMENT folder of the Python environment that containers take torch from; empty for none
# REGISTRY           host:port of a registry to try; empty for none
# REGISTRY_SCHEME    http or https
# REGISTRY_USER      who logs in there; empty for nobody
# REGISTRY_CA        file of PEM certificates to trust besides; empty for none
set -uo pipefail

LEAST_ENGINE=20
LEAST_CDI_ENGINE=25
# What an update of a stack takes that is deployed already, in MiB.
UPDATE_MEGABYTES=1024
TOOLKIT='https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html'

: "${STACK:=dev}" "${DISK_MEGABYTES:=0}" "${GPU_DRIVER:=}" "${NATIVE_ENVIRONMENT:=}"
: "${REGISTRY:=}" "${REGISTRY_SCHEME:=https}" "${REGISTRY_USER:=}" "${REGISTRY_CA:=}"

# missing SENTENCE WAY_OUT
missing() { printf '%s; way out: %s\n' "$1" "$2"; }

# why COMMAND...: the last thing that it says. An answer is kept apart from warnings, so what failed is asked once more.
why() { "$@" 2>&1 | grep . | tail --lines=1; }

# place: where the engine is, for sentences.
place() {
  if is_remote; then printf '%s' "$DOCKER_HOST"; else printf 'this machine'; fi
}

is_remote() { [[ ${DOCKER_HOST:-} == ssh://* ]]; }

# on_host COMMAND...: runs it where the engine is. Standard input is the registry's.
on_host() {
  if is_remote; then ssh -o BatchMode=yes "$DOCKER_HOST" "$(printf '%q ' "$@")" </dev/null; else "$@"; fi
}

# check_engine: fails where nothing else can be asked.
check_engine() {
  local ask=(docker version --format '{{.Server.Version}}') version least=$LEAST_ENGINE
  if ! command -v docker >/dev/null; then
    missing 'This machine has no docker command' 'install Docker, or run make up, which does'
    return 1
  fi
  if ! version=$("${ask[@]}" 2>/dev/null) || ! [[ $version =~ ^[0-9]+\. ]]; then
    missing "The engine of $(place) does not answer: $(why "${ask[@]}")" \
      'start it (systemctl start docker), or see that this user may use it (docker version)'
    return 1
  fi
  [[ $GPU_DRIVER == cdi ]] && least=$LEAST_CDI_ENGINE
  ((${version%%.*} >= least)) && return
  if [[ $GPU_DRIVER == cdi ]] && ((${version%%.*} >= LEAST_ENGINE)); then
    missing "The engine of $(place) is version $version, and CDI needs $least or newer" \
      "update it, or pulumi config set --path gpu.driver nvidia --stack $STACK"
  else
    missing "The engine of $(place) is version $version, and $least or newer is needed" 'update it'
  fi
}

# check_hook: what puts NVIDIA's devices and libraries into a container.
check_hook() {
  local runtimes
  runtimes=$(docker info --format '{{range $name, $_ := .Runtimes}}{{println $name}}{{end}}')
  grep --quiet --line-regexp nvidia <<<"$runtimes" && return
  on_host sh -c 'command -v nvidia-container-runtime-hook' >/dev/null 2>&1 && return
  missing "The engine of $(place) has no NVIDIA runtime, so no container gets a GPU" \
    "install the NVIDIA Container Toolkit there ($TOOLKIT), then sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
}

# check_cdi: whether the engine reads device descriptions, and has one of NVIDIA's.
check_cdi() {
  local folders folder
  folders=$(docker info --format '{{range .CDISpecDirs}}{{println .}}{{end}}' 2>/dev/null)
  if [[ -z $folders ]]; then
    missing "The engine of $(place) does not use CDI" \
      'put "features": {"cdi": true} into its /etc/docker/daemon.json and restart it'
    return
  fi
  while read -r folder; do
    on_host grep --recursive --no-messages --quiet nvidia.com/gpu "$folder" && return
  done <<<"$folders"
  missing "No CDI description on $(place) names an NVIDIA GPU (${folders//$'\n'/, })" \
    "install the NVIDIA Container Toolkit there ($TOOLKIT), then sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
}

# check_cards: hands on what NVIDIA's driver says of each GPU.
check_cards() {
  local ask=(on_host nvidia-smi '--query-gpu=index,uuid,driver_version,memory.total' '--format=csv,noheader,nounits')
  "${ask[@]}" 2>/dev/null | sed --quiet --regexp-extended 's/^[0-9]+, *GPU-/card: &/p' | grep . && return
  missing "NVIDIA's driver does not answer on $(place): $(why "${ask[@]}")" \
    'install a driver that serves CUDA 12, and see that nvidia-smi works there'
}

# check_native_environment: the engine mounts no folder that is not there. Whether it fits, each worker finds out itself.
check_native_environment() {
  on_host test -d "$NATIVE_ENVIRONMENT" && return
  missing "There is no Python environment in $NATIVE_ENVIRONMENT on $(place) (native.environment)" \
    'make native-environment there makes one'
}

# check_disk: room where the engine keeps images and volumes. A stack that is deployed already has most of what it takes.
check_disk() {
  local root free wanted=$DISK_MEGABYTES
  root=$(docker info --format '{{.DockerRootDir}}')
  free=$(on_host df --output=avail --block-size=1M "$root" 2>/dev/null | tail --lines=1 | tr --delete ' ')
  # An engine in a virtual machine keeps them where nobody here can look.
  [[ $free =~ ^[0-9]+$ ]] || return 0
  if [[ -n $(docker ps --all --quiet --filter "label=cp-whisperx.stack=$STACK") ]]; then wanted=$UPDATE_MEGABYTES; fi
  ((free >= wanted)) && return
  missing "There are $free MiB free below $root on $(place), and the stack takes up to $wanted MiB" \
    'make room (docker system df says what takes it), or move the data-root of its engine to a larger disk'
}

# ask_registry [OPTION...]: its answer's head; the login comes from standard input, as curl's configuration.
ask_registry() {
  curl --silent --show-error --max-time 10 --output /dev/null --dump-header - --config - "$@" "$REGISTRY_SCHEME://$REGISTRY/v2/" 2>&1
}

# check_registry: whether it answers, and takes the login. One that hands out tokens tells that when it is asked for images.
check_registry() {
  local login='' password answer
  if [[ -n $REGISTRY_USER ]]; then
    IFS= read -r password || true
    login=${REGISTRY_USER//\\/\\\\}:${password//\\/\\\\}
    login="user = \"${login//\"/\\\"}\""
  fi
  if ! answer=$(ask_registry <<<"$login"); then
    if [[ -z $REGISTRY_CA ]] || ! answer=$(ask_registry --cacert "$REGISTRY_CA" <<<"$login"); then
      missing "The registry $REGISTRY does not answer by $REGISTRY_SCHEME: ${answer##*$'\n'}" \
        'start it, let this machine trust its certificate (setting certificates), or correct the settings registry and registryTls'
      return
    fi
  fi
  grep --quiet --ignore-case '^HTTP/[0-9.]* 401' <<<"$answer" && grep --quiet --ignore-case '^www-authenticate: *basic' <<<"$answer" || return 0
  if [[ -n $REGISTRY_USER ]]; then
    missing "The registry $REGISTRY does not take the login of $REGISTRY_USER" \
      "pulumi config set --secret --path registryLogin.password --stack $STACK"
  else
    missing "The registry $REGISTRY wants a login" \
      "pulumi config set --path registryLogin.username NAME --stack $STACK, and --secret --path registryLogin.password"
  fi
}

if check_engine; then
  case $GPU_DRIVER in
    nvidia) check_hook; check_cards ;;
    cdi) check_cdi; check_cards ;;
  esac
  check_disk
fi
if [[ -n $NATIVE_ENVIRONMENT ]]; then check_native_environment; fi
if [[ -n $REGISTRY ]]; then check_registry; fi
exit 0
