#!/usr/bin/env bash
# Says what an engine's host lacks for a stack: one line for each thing, with the way out. Nothing is said, and the status
# is 0, where nothing is missing; 1 where something is. Standard input: the password for the registry, if it has one.
#
# STACK              name of the stack
# DOCKER_HOST        ssh://user@machine, where the engine is another machine's
# DISK_MEGABYTES     room that a first deployment takes on the engine's host, in MiB
# GPU_DRIVER         nvidia or cdi: how containers get GPUs; empty where they get none
# GPU_SERVICES       a line for each service that gets some: its name, the GPU memory that it wants in MiB, and the GPUs
#                    that it may use (indices and UUIDs with commas between them, or all)
# NATIVE_ENVIRONMENT folder of the Python environment that containers take torch from; empty for none
# REGISTRY           host:port of a registry to try; empty for none
# REGISTRY_SCHEME    http or https
# REGISTRY_USER      who logs in there; empty for nobody
# REGISTRY_CA        file of PEM certificates to trust besides; empty for none
set -uo pipefail

LEAST_ENGINE=20
LEAST_CDI_ENGINE=25
# Older drivers do not serve CUDA 12, for which the libraries in the images are made.
LEAST_DRIVER=525
# What an update of a stack takes that is deployed already, in MiB.
UPDATE_MEGABYTES=1024
TOOLKIT='https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html'

PROBLEMS=0
: "${STACK:=dev}" "${DISK_MEGABYTES:=0}" "${GPU_DRIVER:=}" "${GPU_SERVICES:=}"
: "${NATIVE_ENVIRONMENT:=}" "${REGISTRY:=}" "${REGISTRY_SCHEME:=https}" "${REGISTRY_USER:=}" "${REGISTRY_CA:=}"

# missing SENTENCE WAY_OUT
missing() {
  printf '%s; way out: %s\n' "$1" "$2"
  PROBLEMS=$((PROBLEMS + 1))
}

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
  local version least=$LEAST_ENGINE
  if ! command -v docker >/dev/null; then
    missing 'This machine has no docker command' 'install Docker, or run make up, which does'
    return 1
  fi
  if ! version=$(docker version --format '{{.Server.Version}}' 2>&1); then
    missing "The engine of $(place) does not answer: ${version##*$'\n'}" \
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

# check_cards: the driver, and the GPUs that the services are to use.
check_cards() {
  local cards driver
  if ! cards=$(on_host nvidia-smi --query-gpu=index,uuid,driver_version,memory.total --format=csv,noheader,nounits 2>&1 </dev/null); then
    missing "NVIDIA's driver does not answer on $(place): ${cards##*$'\n'}" \
      "install the driver, release $LEAST_DRIVER or newer, and see that nvidia-smi works there"
    return
  fi
  driver=$(awk -F ', *' 'NR == 1 { print $3 }' <<<"$cards")
  if ((${driver%%.*} < LEAST_DRIVER)); then
    missing "NVIDIA's driver on $(place) is release $driver, and CUDA 12 needs $LEAST_DRIVER or newer" 'update the driver'
  fi
  check_names "$cards" && check_memory "$cards"
}

# cards_of CARDS DEVICES: the GPUs that a service may use, as indices in the driver's order with commas between them.
cards_of() {
  awk -F ', *' -v devices="$2" '
    BEGIN { count = split(devices, ids, ",") }
    { for (n = 1; n <= count; n++) if (ids[n] == "all" || ids[n] == $1 || index($2, ids[n]) == 1) { list = list "," $1; next } }
    END { print substr(list, 2) }' <<<"$1"
}

# is_part DEVICES: whether there is a part of a GPU (MIG) among them; the driver is not asked about those.
is_part() { [[ $1 == *:* || $1 == *MIG-* ]]; }

# listed WORD...: each once, with commas between them.
listed() { printf '%s\n' "$@" | awk '!seen[$0]++ { list = list ", " $0 } END { print substr(list, 3) }'; }

# check_names CARDS: whether every GPU is there that a service asks for.
check_names() {
  local service devices id unknown=() asking=()
  while read -r service _ devices; do
    for id in ${devices//,/ }; do
      if is_part "$id" || [[ -n $(cards_of "$1" "$id") ]]; then continue; fi
      unknown+=("$id") asking+=("$service")
    done
  done <<<"$GPU_SERVICES"
  ((${#unknown[@]} == 0)) && return
  missing "There is no GPU $(listed "${unknown[@]}") on $(place), which has $(wc --lines <<<"$1"), for $(listed "${asking[@]}")" \
    "see nvidia-smi --list-gpus there for the ones it has, and correct gpu.devices or gpuDevices"
  return 1
}

# check_memory CARDS: whether each list of GPUs that services have is enough for the services that may use no GPU outside
# it: for all of them together, and for each on one GPU. It is the rule of settings/gpus.ts; here a UUID is known for its card.
check_memory() {
  local cards=$1 service megabytes devices uses='' gpus
  while read -r service megabytes devices; do
    is_part "$devices" || uses+="$service $megabytes $(cards_of "$cards" "$devices")"$'\n'
  done <<<"$GPU_SERVICES"
  while read -r gpus; do
    [[ -z $gpus ]] || check_room "$gpus" "$cards" "${uses%$'\n'}"
  done < <(awk '{ print $3 }' <<<"$uses" | sort --unique)
}

# check_room INDICES CARDS USES: uses are lines of a service, its MiB and the indices of the GPUs that it may use.
check_room() {
  local there largest service megabytes own wanted=0 most=0 wanting=() words=(GPU has other '')
  read -r there largest < <(awk -F ', *' -v gpus=",$1," '
    index(gpus, "," $1 ",") { sum += $4; if ($4 > largest) largest = $4 }
    END { print sum, largest }' <<<"$2")
  while read -r service megabytes own; do
    is_within "$own" "$1" || continue
    wanting+=("$service $megabytes") wanted=$((wanted + megabytes)) most=$((megabytes > most ? megabytes : most))
  done <<<"$3"
  ((wanted <= there && most <= largest)) && return
  if [[ $1 == *,* ]]; then words=(GPUs have others ', each on one of them'); fi
  missing "${words[0]} ${1//,/, } of $(place) ${words[1]} $there MiB, and the services that may use no ${words[2]} want $wanted ($(listed "${wanting[@]}"))${words[3]}" \
    "lower gpuMemoryMegabytes (a smaller WHISPER_MODEL goes with it), give some of them other GPUs (gpuDevices), or pulumi config set device cpu --stack $STACK"
}

# is_within INDICES OTHERS: whether all of them are among the others.
is_within() {
  local index
  for index in ${1//,/ }; do
    [[ ,$2, == *,$index,* ]] || return 1
  done
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
((PROBLEMS == 0))
