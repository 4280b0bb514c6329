#!/usr/bin/env bash
# Asks an engine's host and a registry what a stack needs of them, and prints a line for each answer that matters: what is
# missing, with the way out, or a fact for services/preflight.ts to judge. The status is 0 where everything was asked,
# whatever the answers. Standard input: the registry's password, if it has one.
#
#   card: INDEX, UUID, DRIVER, MIB   a GPU
#   disk: USE MIB MOUNT FOLDER       free room, with tabs between; USE is engine or builder
#   deployed                         the engine has had this stack before
#
# STACK              name of the stack
# DOCKER_HOST        ssh://user@machine, where the engine is another machine's
# GPU_DRIVER         nvidia or cdi: how containers get GPUs; empty where they get none
# NATIVE_ENVIRONMENT folder of the Python environment that containers take torch from; empty for none
# REGISTRY           host:port of a registry to try; empty for none
# REGISTRY_SCHEME    http or https
# REPOSITORY         one of the repositories there that images are pushed to
# REGISTRY_USER      who logs in there; empty for nobody
# REGISTRY_CA        file of PEM certificates to trust besides; empty for none
set -uo pipefail

LEAST_ENGINE=20
LEAST_CDI_ENGINE=25
TOOLKIT='https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html'

: "${STACK:=dev}" "${GPU_DRIVER:=}" "${NATIVE_ENVIRONMENT:=}"
: "${REGISTRY:=}" "${REGISTRY_SCHEME:=https}" "${REPOSITORY:=}" "${REGISTRY_USER:=}" "${REGISTRY_CA:=}"
LOGIN=''

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

# tell_disks: the room where the engine keeps images, and where this machine keeps the builder's cache and the registry.
tell_disks() {
  local root
  root=$(docker info --format '{{.DockerRootDir}}')
  # With containerd's store the images lie in its folder, which the engine does not tell.
  if ! docker info --format '{{.DriverStatus}}' | grep --quiet --fixed-strings io.containerd.snapshotter \
    || ! tell_disk engine /var/lib/containerd on_host; then
    tell_disk engine "$root" on_host
  fi
  tell_disk builder "${CP_WHISPERX_HOME:-${HOME:-}/.cp-whisperx}"
  # The models stay when containers go, and so do the images.
  if [[ -n $(docker volume ls --quiet --filter "name=^cp-whisperx-$STACK-model-cache$") ]]; then printf 'deployed\n'; fi
}

# tell_disk USE FOLDER [on_host]: fails where nobody can look, such as at an engine in a virtual machine.
tell_disk() {
  local free target
  read -r free target < <("${@:3}" df --output=avail,target --block-size=1M "$2" 2>/dev/null | tail --lines=1)
  [[ ${free:-} =~ ^[0-9]+$ ]] && printf 'disk: %s\t%s\t%s\t%s\n' "$1" "$free" "$target" "$2"
}

# read_login: the login as curl's configuration, into LOGIN: nobody finds it in a list of processes.
read_login() {
  local password
  [[ -n $REGISTRY_USER ]] || return 0
  IFS= read -r password || true
  LOGIN=${REGISTRY_USER//\\/\\\\}:${password//\\/\\\\}
  LOGIN="user = \"${LOGIN//\"/\\\"}\""
}

# ask_web ADDRESS [OPTION...]: the head of its answer to the login, or what curl complains of.
ask_web() {
  local ask=(curl --silent --show-error --max-time 10 --output /dev/null --dump-header - --config - "$@") answer
  if answer=$("${ask[@]}" <<<"$LOGIN" 2>&1) \
    || { [[ -n $REGISTRY_CA ]] && answer=$("${ask[@]}" --cacert "$REGISTRY_CA" <<<"$LOGIN" 2>&1); }; then
    tr --delete '\r' <<<"$answer"
  else
    printf '%s' "${answer##*$'\n'}"
    return 1
  fi
}

# status_of HEAD: the status of the last answer, since a proxy may have answered first.
status_of() { sed --quiet 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$1" | tail --lines=1; }

# challenge HEAD NAME: what a registry that wants a token says of that name.
challenge() { sed --quiet "s/^www-authenticate: *bearer .*$2=\"\([^\"]*\)\".*/\1/Ip" <<<"$1"; }

# check_registry: whether it answers, and takes the login.
check_registry() {
  local head realm
  # Docker Hub's images have another name than its server.
  if ! head=$(ask_web "$REGISTRY_SCHEME://${REGISTRY/#docker.io/registry-1.docker.io}/v2/"); then
    missing "The registry $REGISTRY does not answer by $REGISTRY_SCHEME: $head" \
      'start it, let this machine trust its certificate (setting certificates), or correct the settings registry and registryTls'
    return
  fi
  realm=$(challenge "$head" realm)
  case $(status_of "$head"):$realm in
    200:*) ;;
    401:) refuse_login ;;
    401:*) check_token "$realm" "$(challenge "$head" service)" ;;
    *)
      missing "The registry $REGISTRY answers $REGISTRY_SCHEME://$REGISTRY/v2/ with status $(status_of "$head"), as no registry does" \
        'correct the settings registry and registryTls'
      ;;
  esac
}

# check_token REALM SERVICE: whether the server that the registry names gives the login a token for pushing.
check_token() {
  local head
  if ! head=$(ask_web "$1" --proto "=https,$REGISTRY_SCHEME" --get --data-urlencode "service=$2" --data-urlencode "scope=repository:$REPOSITORY:push,pull"); then
    missing "The registry $REGISTRY wants a token of $1, which does not answer: $head" 'try again, or let this machine reach it'
    return
  fi
  case $(status_of "$head") in
    200) ;;
    401 | 403) refuse_login ;;
    *) missing "The registry $REGISTRY wants a token of $1, which answers with status $(status_of "$head")" 'try again later' ;;
  esac
}

refuse_login() {
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
  tell_disks
fi
if [[ -n $NATIVE_ENVIRONMENT ]]; then check_native_environment; fi
if [[ -n $REGISTRY ]]; then read_login; check_registry; fi
exit 0
