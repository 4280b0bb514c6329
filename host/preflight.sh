#!/usr/bin/env bash
# Checks an engine's host and a registry for what a stack needs, and prints one line for each finding: what is missing and its
# fix, or a fact for host/preflight.ts to judge. The status is 0 if everything was checked, whatever the result. Standard
# input: the registry's password, if it has one.
#
#   endpoint: ADDRESS        the engine of this environment's docker commands
#   engine: OS/ARCHITECTURE  it answers
#   volumes: NAME=IDENTITY ...   the stack's volumes and their labels, nothing after the colon if there are none
#   running: NAME ...         the stack's containers that run
#   gpu: INDEX, UUID, DRIVER, MIB    a GPU
#   disk: USE MIB MOUNT FOLDER       free space, separated by tabs; USE is engine or builder
#
# STACK              name of the stack
# DOCKER_HOST        ssh://user@machine, if the engine is another machine's
# DISKS              yes to report free disk space; empty for nothing
# GPU_DRIVER         nvidia or cdi: how containers get GPUs; empty if they get none
# NATIVE_ENVIRONMENT folder of the Python environment that containers take torch from; empty for none
# REGISTRY           host:port of a registry to check; empty for none
# REGISTRY_SCHEME    http or https
# REPOSITORY         one of the repositories that images are pushed to
# REGISTRY_USER      user of the login; empty for none
# REGISTRY_CA        file of additional PEM certificates to trust; empty for none
# PREFLIGHT_LIMITS   time limits of a command in seconds, one for each attempt
# PREFLIGHT_PATIENCE time limit of all retries together in seconds
set -uo pipefail

LEAST_ENGINE=20
LEAST_CDI_ENGINE=25
TOOLKIT='https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html'

: "${STACK:=dev}" "${DISKS:=}" "${GPU_DRIVER:=}" "${NATIVE_ENVIRONMENT:=}"
: "${REGISTRY:=}" "${REGISTRY_SCHEME:=https}" "${REPOSITORY:=}" "${REGISTRY_USER:=}" "${REGISTRY_CA:=}"
: "${PREFLIGHT_LIMITS:=10 20 40}" "${PREFLIGHT_PATIENCE:=150}"
LOGIN=''

# The last answer and the time waited for it. A file, because a pipe stays open as long as any background process of a
# command, such as ssh with a shared connection.
ANSWER='' WAITED=0
SCRATCH=$(mktemp)
trap 'rm -f -- "$SCRATCH"' EXIT

# missing SENTENCE FIX
missing() { printf '%s; fix: %s\n' "$1" "$2"; }

# ask COMMAND...: runs it with INPUT on its standard input; its output is ANSWER. Returns the command's status. A command that
# exceeds its limit is ended and retried with a longer one, because it may only be slow. 124 if no answer came.
ask() {
  local limit left status
  for limit in $PREFLIGHT_LIMITS; do
    left=$((PREFLIGHT_PATIENCE - SECONDS))
    ((limit < left)) || limit=$((left > 1 ? left : 1))
    WAITED=$limit status=0
    timeout --kill-after=2 "$limit" "$@" >"$SCRATCH" 2>&1 <<<"${INPUT:-}" || status=$?
    ANSWER=$(<"$SCRATCH")
    if ((status != 124 && status != 137)); then return "$status"; fi
    ((limit < left)) || break
  done
  return 124
}

# line PREFIX: the rest of the answer's first line with that prefix. Other lines are warnings.
line() { sed --quiet "/^$1 /{s///p;q}" <<<"$ANSWER"; }

# why: the last line of the answer.
why() { grep . <<<"$ANSWER" | tail --lines=1; }

# failure STATUS: describes a missing answer or an error.
failure() {
  if (($1 == 124)); then printf 'gave no answer in %s s' "$WAITED"; else printf 'does not answer: %s' "$(why)"; fi
}

# place: the engine's machine, for messages.
place() {
  if is_remote; then printf '%s' "$DOCKER_HOST"; else printf 'this machine'; fi
}

is_remote() { [[ ${DOCKER_HOST:-} == ssh://* ]]; }

# on_host COMMAND...: runs it on the engine's machine, like ask.
on_host() {
  if is_remote; then ask ssh -o BatchMode=yes "$DOCKER_HOST" "$(printf '%q ' "$@")"; else ask "$@"; fi
}

# has COMMAND...: whether the command succeeds on the engine's machine. If the command gives no answer, reports only that: ssh
# returns 255 if ssh itself fails.
has() {
  local status=0
  on_host "$@" || status=$?
  ((status == 124 || status == 255)) || return "$status"
  missing "$(printf '%q ' "$@")on $(place) $(failure "$status")" 'run the command again'
}

# ask_engine COMMAND...: a docker command; reports a missing answer.
ask_engine() {
  local status=0
  ask docker "$@" || status=$?
  ((status != 0)) || return 0
  missing "docker $1 on $(place) $(failure "$status")" 'run the command again'
  return "$status"
}

# print_endpoint: the engine that docker's context and variables select.
print_endpoint() {
  if ask docker context inspect --format 'endpoint: {{.Endpoints.docker.Host}}'; then grep '^endpoint: ' <<<"$ANSWER"; fi
}

# check_engine: fails if nothing else can be checked.
check_engine() {
  local status=0 version='' platform='' least=$LEAST_ENGINE
  if ! command -v docker >/dev/null; then
    missing 'This machine has no docker command' 'install Docker, or run make up, which does'
    return 1
  fi
  print_endpoint
  ask docker version --format 'engine {{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}' || status=$?
  read -r version platform < <(line engine)
  if ((status == 124)); then
    missing "The engine of $(place) $(failure "$status")" \
      'wait until the machine is less busy and run the command again; if it hangs, restart it (systemctl restart docker)'
    return 1
  elif ((status != 0)) || [[ ! $version =~ ^[0-9]+\. ]]; then
    missing "The engine of $(place) $(failure "$status")" \
      'start it (systemctl start docker), or give this user access to it (docker version)'
    return 1
  fi
  printf 'engine: %s\n' "$platform"
  [[ $GPU_DRIVER == cdi ]] && least=$LEAST_CDI_ENGINE
  ((${version%%.*} >= least)) && return
  if [[ $GPU_DRIVER == cdi ]] && ((${version%%.*} >= LEAST_ENGINE)); then
    missing "The engine of $(place) is version $version, and CDI needs $least or newer" \
      "update it, or pulumi config set --path gpu.driver nvidia --stack $STACK"
  else
    missing "The engine of $(place) is version $version, and $least or newer is needed" 'update it'
  fi
}

# print_volumes: the label distinguishes a volume from a later one of the same name. Its creation time does not: older engines
# report its last change.
print_volumes() {
  local found
  ask_engine volume ls --filter "name=^cp-whisperx-$STACK-(model-cache|queue|secrets)$" \
    --format 'volume {{.Name}}={{or (.Label "cp-whisperx.identity") "unlabelled"}}' || return
  found=$(sed --quiet 's/^volume//p' <<<"$ANSWER")
  printf 'volumes:%s\n' "${found//$'\n'/}"
}

# print_running: what Pulumi's state says of containers is as old as the last deployment.
print_running() {
  local found
  ask_engine ps --filter "name=^cp-whisperx-$STACK-" --format 'running {{.Names}}' || return
  found=$(sed --quiet 's/^running//p' <<<"$ANSWER")
  printf 'running:%s\n' "${found//$'\n'/}"
}

# check_hook: NVIDIA's runtime, which puts devices and libraries into a container.
check_hook() {
  ask_engine info --format '{{json .Runtimes}}' || return
  grep --quiet --fixed-strings '"nvidia":' <<<"$ANSWER" && return
  has sh -c 'command -v nvidia-container-runtime-hook' && return
  missing "The engine of $(place) has no NVIDIA runtime, so no container gets a GPU" \
    "install the NVIDIA Container Toolkit there ($TOOLKIT), then sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
}

# check_cdi: whether the engine reads CDI descriptions and has one of NVIDIA's. A docker command or an engine without CDI fails.
check_cdi() {
  local status=0 folders folder
  ask docker info --format '{{range .CDISpecDirs}}{{println .}}{{end}}' || status=$?
  if ((status == 124)); then
    missing "docker info on $(place) $(failure "$status")" 'run the command again'
    return
  fi
  folders=$(grep '^/' <<<"$ANSWER")
  if [[ -z $folders ]]; then
    missing "The engine of $(place) does not use CDI" \
      'put "features": {"cdi": true} into its /etc/docker/daemon.json and restart it'
    return
  fi
  while read -r folder; do
    has grep --recursive --no-messages --quiet nvidia.com/gpu "$folder" && return
  done <<<"$folders"
  missing "No CDI description on $(place) names an NVIDIA GPU (${folders//$'\n'/, })" \
    "install the NVIDIA Container Toolkit there ($TOOLKIT), then sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
}

# check_gpus: prints NVIDIA's data of each GPU.
check_gpus() {
  local status=0
  on_host nvidia-smi '--query-gpu=index,uuid,driver_version,memory.total' '--format=csv,noheader,nounits' || status=$?
  sed --quiet --regexp-extended 's/^[0-9]+, *GPU-/gpu: &/p' <<<"$ANSWER" | grep . && return
  if ((status == 124)); then
    missing "NVIDIA's driver on $(place) $(failure "$status")" 'wait until it is less busy; a driver that hangs needs a reboot'
  else
    missing "NVIDIA's driver on $(place) $(failure "$status")" \
      'install a driver for CUDA 12 and check that nvidia-smi works there'
  fi
}

# check_native_environment: the engine cannot mount a missing folder. Each worker checks the content itself.
check_native_environment() {
  has test -d "$NATIVE_ENVIRONMENT" && return
  missing "There is no Python environment in $NATIVE_ENVIRONMENT on $(place) (native.environment)" \
    'run make native-environment there'
}

# print_disks: free space for the engine's images, and for this machine's build cache and registry.
print_disks() {
  local root
  ask_engine info --format 'root {{.DockerRootDir}}{{println}}{{.DriverStatus}}' || return
  root=$(line root)
  # With containerd's image store the images are in its folder, which the engine does not report.
  if ! grep --quiet --fixed-strings io.containerd.snapshotter <<<"$ANSWER" \
    || ! print_disk engine /var/lib/containerd on_host; then
    print_disk engine "$root" on_host
  fi
  print_disk builder "${CP_WHISPERX_HOME:-${HOME:-}/.cp-whisperx}" ask
}

# print_disk USE FOLDER on_host|ask: fails if the folder is out of reach, such as in an engine's virtual machine.
print_disk() {
  local free='' target=''
  "$3" df --output=avail,target --block-size=1M "$2" || return
  read -r free target < <(tail --lines=1 <<<"$ANSWER")
  [[ $free =~ ^[0-9]+$ ]] && printf 'disk: %s\t%s\t%s\t%s\n' "$1" "$free" "$target" "$2"
}

# read_login: the login as curl configuration in LOGIN, so that it is in no process list.
read_login() {
  local password
  [[ -n $REGISTRY_USER ]] || return 0
  IFS= read -r password || true
  LOGIN=${REGISTRY_USER//\\/\\\\}:${password//\\/\\\\}
  LOGIN="user = \"${LOGIN//\"/\\\"}\""
}

# ask_web ADDRESS [OPTION...]: requests it with the login; ANSWER is the response header, or curl's error. Retries with
# REGISTRY_CA if this machine's certificates do not verify the server.
ask_web() {
  local INPUT=$LOGIN status=0
  local ask=(curl --silent --show-error --output /dev/null --dump-header - --config - "$@")
  ask "${ask[@]}" || status=$?
  if ((status == 60)) && [[ -n $REGISTRY_CA ]]; then
    status=0
    ask "${ask[@]}" --cacert "$REGISTRY_CA" || status=$?
  fi
  ANSWER=${ANSWER//$'\r'/}
  return "$status"
}

# http_status: the status of the last header in the answer, because a proxy may have answered first.
http_status() { sed --quiet 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$ANSWER" | tail --lines=1; }

# challenge NAME: a parameter of the registry's token challenge.
challenge() { sed --quiet "s/^www-authenticate: *bearer .*$1=\"\([^\"]*\)\".*/\1/Ip" <<<"$ANSWER"; }

# The fix if no answer came.
WAIT_FOR_WEB='check its load and the network, and run the command again'

# check_registry: whether it answers and accepts the login.
check_registry() {
  local status=0 realm fix='start it, trust its certificate (setting certificates), or correct the settings registry and registryTls'
  # Docker Hub's images have another name than its server.
  ask_web "$REGISTRY_SCHEME://${REGISTRY/#docker.io/registry-1.docker.io}/v2/" || status=$?
  if ((status != 0)); then
    ((status != 124)) || fix=$WAIT_FOR_WEB
    missing "The registry $REGISTRY (by $REGISTRY_SCHEME) $(failure "$status")" "$fix"
    return
  fi
  realm=$(challenge realm)
  case $(http_status):$realm in
    200:*) ;;
    401:) refuse_login ;;
    401:*) check_token "$realm" "$(challenge service)" ;;
    *)
      missing "The registry $REGISTRY answers $REGISTRY_SCHEME://$REGISTRY/v2/ with status $(http_status), so it is not a registry" \
        'correct the settings registry and registryTls'
      ;;
  esac
}

# check_token REALM SERVICE: whether the registry's token server gives the login a token for pushing.
check_token() {
  local status=0 fix='retry, or let this machine reach it'
  ask_web "$1" --proto "=https,$REGISTRY_SCHEME" --get --data-urlencode "service=$2" --data-urlencode "scope=repository:$REPOSITORY:push,pull" || status=$?
  if ((status != 0)); then
    ((status != 124)) || fix=$WAIT_FOR_WEB
    missing "The registry $REGISTRY requires a token from $1, which $(failure "$status")" "$fix"
    return
  fi
  case $(http_status) in
    200) ;;
    401 | 403) refuse_login ;;
    *) missing "The registry $REGISTRY requires a token from $1, which answers with status $(http_status)" 'retry later' ;;
  esac
}

refuse_login() {
  if [[ -n $REGISTRY_USER ]]; then
    missing "The registry $REGISTRY refuses the login of $REGISTRY_USER" \
      "pulumi config set --secret --path registryLogin.password --stack $STACK"
  else
    missing "The registry $REGISTRY requires a login" \
      "pulumi config set --path registryLogin.username NAME --stack $STACK, and --secret --path registryLogin.password"
  fi
}

if check_engine; then
  case $GPU_DRIVER in
    nvidia) check_hook; check_gpus ;;
    cdi) check_cdi; check_gpus ;;
  esac
  print_volumes
  print_running
  if [[ -n $DISKS ]]; then print_disks; fi
fi
if [[ -n $NATIVE_ENVIRONMENT ]]; then check_native_environment; fi
if [[ -n $REGISTRY ]]; then read_login; check_registry; fi
exit 0
