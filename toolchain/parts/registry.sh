# The local registry: keeps the images and BuildKit's cache, on the loopback address only.
# shellcheck shell=bash

# ensure_registry: returns when our registry answers on $REGISTRY_ADDRESS.
ensure_registry() {
  local container
  registry_answers 5 && return
  container=$(registry_container)
  if [[ $container != "running $REGISTRY_PORT" && -z "$(service_process registry)" ]]; then
    await_other_service registry registry_answers "http://$REGISTRY_ADDRESS" \
      "stop that program, or choose another port for the registry: CP_WHISPERX_REGISTRY_PORT=5001 make up" && return
  fi
  if [[ ! -e "$RUN_FOLDER/registry.yml" ]] && use_official registry https://registry-1.docker.io/v2/; then
    start_registry_container "$container"
  else
    start_registry_program
  fi
}

# registry_answers SECONDS: true if a registry, not some other server, listens on the address.
registry_answers() {
  local headers
  headers=$(timeout "$1" curl --silent --fail --noproxy '*' --output /dev/null --dump-header - "http://$REGISTRY_ADDRESS/v2/") || return
  grep --quiet --ignore-case '^docker-distribution-api-version: registry/2' <<<"$headers"
}

# start_registry_container CONTAINER: runs the official image with its data in $REGISTRY_FOLDER. Waits for a running
# container; recreates one that is stopped or has another port.
start_registry_container() {
  local container=$1 name=cp-whisperx-registry
  if [[ $container != "running $REGISTRY_PORT" ]]; then
    say "registry: starting $REGISTRY_IMAGE"
    mkdir -p "$REGISTRY_FOLDER"
    [[ -z $container ]] || docker rm --force "$name" >/dev/null
    docker run --detach --name "$name" --restart unless-stopped \
      --publish "$REGISTRY_ADDRESS:5000" --volume "$REGISTRY_FOLDER:/var/lib/registry" \
      --env REGISTRY_STORAGE_DELETE_ENABLED=true --env OTEL_TRACES_EXPORTER=none "$REGISTRY_IMAGE" >/dev/null \
      || fail "the registry's container did not start" "try again, or set TOOLCHAIN_SOURCE=packages to take the registry's Go module"
  fi
  await_answer "the registry's container" registry_answers false || fail "the registry's container does not answer" "read docker logs $name"
}

# registry_container: "STATE PORT" of the container; empty if the engine has none.
registry_container() {
  docker ps --all --filter 'name=^/cp-whisperx-registry$' --format '{{.State}} {{.Ports}}' \
    | sed 's/ .*:\([0-9]*\)->.*/ \1/'
}

# start_registry_program: builds the same version from its Go module and runs it with our configuration.
start_registry_program() {
  local -x OTEL_TRACES_EXPORTER=none
  build_registry
  write_registry_configuration
  ensure_service registry registry_answers "http://$REGISTRY_ADDRESS" "$BIN_FOLDER/registry" serve "$RUN_FOLDER/registry.yml"
}

build_registry() {
  build_go_program registry . "$BIN_FOLDER/registry" "-X github.com/distribution/distribution/v3/version.version=v$REGISTRY_VERSION"
}

# write_registry_configuration: data in $REGISTRY_FOLDER, as for the container; deletion allowed; no login.
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
