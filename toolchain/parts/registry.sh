# The local registry: keeps the images and BuildKit's cache, on the loopback address only.
# shellcheck shell=bash

# ensure_registry: returns with our registry answering on $REGISTRY_ADDRESS.
ensure_registry() {
  registry_answers && return
  check_port
  if [[ ! -e "$RUN_FOLDER/registry.yml" ]] && use_official registry https://registry-1.docker.io/v2/; then
    start_registry_container
  else
    start_registry_program
  fi
}

# registry_answers: true where a registry, and not some other server, listens on the address.
registry_answers() {
  curl --silent --fail --max-time 5 --output /dev/null --dump-header - "http://$REGISTRY_ADDRESS/v2/" \
    | grep --quiet --ignore-case '^docker-distribution-api-version: registry/2'
}

# check_port: fails with the name of the holder where something else has the port.
check_port() {
  local holder
  port_is_open || return 0
  holder=$(port_holder)
  fail "port $REGISTRY_PORT on 127.0.0.1 is taken by ${holder:-another program}, and it is no registry" \
    "end that program, or choose another port for the registry: CP_WHISPERX_REGISTRY_PORT=5001 make up"
}

port_is_open() {
  (exec 3<>"/dev/tcp/127.0.0.1/$REGISTRY_PORT") 2>/dev/null
}

# port_holder: "NAME (process NUMBER)" of the program which listens on the port, found through /proc; empty where it cannot be seen.
port_holder() {
  local hexadecimal inode link process
  hexadecimal=$(printf '%04X' "$REGISTRY_PORT")
  inode=$(awk -v port=":$hexadecimal" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' /proc/net/tcp /proc/net/tcp6)
  [[ -n $inode ]] || return 0
  for link in /proc/[0-9]*/fd/*; do
    if [[ "$(readlink "$link" 2>/dev/null)" == "socket:[$inode]" ]]; then
      process=${link#/proc/}
      process=${process%%/*}
      printf '%s (process %s)' "$(cat "/proc/$process/comm")" "$process"
      return
    fi
  done
}

# start_registry_container: the official image, its data in $REGISTRY_FOLDER.
start_registry_container() {
  mkdir -p "$REGISTRY_FOLDER"
  say "registry: starting $REGISTRY_IMAGE"
  docker rm --force cp-whisperx-registry >/dev/null 2>&1 || true
  docker run --detach --name cp-whisperx-registry --restart unless-stopped \
    --publish "$REGISTRY_ADDRESS:5000" --volume "$REGISTRY_FOLDER:/var/lib/registry" \
    --env REGISTRY_STORAGE_DELETE_ENABLED=true --env OTEL_TRACES_EXPORTER=none "$REGISTRY_IMAGE" >/dev/null \
    || fail "the registry's container did not start" "try again, or set TOOLCHAIN_SOURCE=packages to take the registry's Go module"
  wait_until 60 registry_answers || fail "the registry's container does not answer" "read docker logs cp-whisperx-registry"
}

# start_registry_program: the same version from its Go module, with a configuration of ours.
start_registry_program() {
  local -x OTEL_TRACES_EXPORTER=none
  build_registry
  write_registry_configuration
  start_service registry registry_answers "$BIN_FOLDER/registry" serve "$RUN_FOLDER/registry.yml"
}

build_registry() {
  build_go_program registry . "$BIN_FOLDER/registry" "-X github.com/distribution/distribution/v3/version.version=v$REGISTRY_VERSION"
}

# write_registry_configuration: data kept in $REGISTRY_FOLDER, where the container has it too; deletion allowed; no login.
write_registry_configuration() {
  mkdir -p "$REGISTRY_FOLDER"
  write_file "$RUN_FOLDER/registry.yml" 644 <<EOF
version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: $REGISTRY_FOLDER
  delete:
    enabled: true
http:
  addr: $REGISTRY_ADDRESS
EOF
}
