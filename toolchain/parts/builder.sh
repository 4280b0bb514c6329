# The BuildKit builder, as a container or as a process. The program knows only its name.
# shellcheck shell=bash

BUILDKIT_SOCKET="$RUN_FOLDER/buildkitd.sock"
# The user's configuration of registries in BuildKit's format, such as a private certificate authority.
REGISTRIES_FILE="$CP_WHISPERX_HOME/registries.toml"

# ensure_builder: returns when the builder $BUILDER_NAME answers.
ensure_builder() {
  write_builder_configuration
  case $(builder_driver) in
    docker-container) ensure_container_builder ;;
    remote) ensure_remote_builder ;;
    *) create_builder ;;
  esac
}

# builder_driver: our builder's driver; empty if there is none. Reads buildx's file, because running buildx takes seconds.
builder_driver() {
  local file="${BUILDX_CONFIG:-${DOCKER_CONFIG:-$HOME/.docker}/buildx}/instances/$BUILDER_NAME"
  [[ -s $file ]] || return 0
  sed -n 's/.*"Driver":"\([^"]*\)".*/\1/p' "$file"
}

create_builder() {
  if use_official builder https://registry-1.docker.io/v2/; then
    create_container_builder
  else
    create_remote_builder
  fi
}

# restart_builder: restarts the builder with its new configuration; keeps its cache.
restart_builder() {
  case $(builder_driver) in
    docker-container) remove_container_builder ;;
    remote) stop_service buildkitd ;;
  esac
  ensure_builder
}

# write_builder_configuration: parallel build steps, cache size, the local registry without TLS, and the user's configuration of
# other registries.
write_builder_configuration() {
  write_file "$RUN_FOLDER/buildkitd.toml" 644 <<EOF
root = "$BUILDKIT_FOLDER"

[worker.oci]
  max-parallelism = 4
  gc = true
  reservedSpace = "2GB"
  maxUsedSpace = "20GB"
  minFreeSpace = "5GB"

[worker.containerd]
  enabled = false

[registry."$REGISTRY_ADDRESS"]
  http = true
$(if [[ -e $REGISTRIES_FILE ]]; then cat -- "$REGISTRIES_FILE"; fi)
EOF
}

# create_container_builder: the official image, on the host's network to reach the loopback registry.
create_container_builder() {
  local configuration="$RUN_FOLDER/buildkitd-container.toml"
  sed '/^root = /d' "$RUN_FOLDER/buildkitd.toml" >"$configuration"
  step builder-create docker buildx create --name "$BUILDER_NAME" --driver docker-container \
    --driver-opt "image=$BUILDKIT_IMAGE" --driver-opt network=host \
    --buildkitd-config "$configuration" --bootstrap \
    || fail "the builder $BUILDER_NAME could not be created" "read $LOG_FOLDER/builder-create.log; TOOLCHAIN_SOURCE=packages builds BuildKit from its Go module instead"
}

# ensure_container_builder: starts a stopped builder container, and recreates one that does not start.
ensure_container_builder() {
  builder_container_runs && return
  step builder-start docker buildx inspect --bootstrap "$BUILDER_NAME" && return
  # buildx itself has a short timeout.
  builder_container_runs && return
  remove_container_builder
  create_container_builder
}

builder_container_runs() {
  [[ "$(docker container inspect --format '{{.State.Running}}' "buildx_buildkit_${BUILDER_NAME}0" 2>/dev/null)" == true ]]
}

# remove_container_builder: keeps its cache.
remove_container_builder() {
  docker buildx rm --keep-state "$BUILDER_NAME" >/dev/null \
    || fail "the builder $BUILDER_NAME could not be removed" "look at docker buildx ls"
}

create_remote_builder() {
  ensure_remote_builder
  docker buildx create --name "$BUILDER_NAME" --driver remote "unix://$BUILDKIT_SOCKET" >/dev/null \
    || fail "the builder $BUILDER_NAME could not be created" "look at docker buildx ls; docker buildx rm $BUILDER_NAME removes a broken one"
}

# ensure_remote_builder: buildkitd as a process of this host; builds use the host's network.
ensure_remote_builder() {
  ensure_buildkit_programs
  command -v runc >/dev/null || install_packages runc runc
  ((EUID == 0)) || ! refuses "unix://$BUILDKIT_SOCKET" || fail "buildkitd is stopped and starting it needs root" "run the command as root"
  mkdir -p "$BUILDKIT_FOLDER"
  ensure_service buildkitd buildkit_answers "unix://$BUILDKIT_SOCKET" "$BIN_FOLDER/buildkitd" \
    --config "$RUN_FOLDER/buildkitd.toml" --addr "unix://$BUILDKIT_SOCKET" --oci-worker-net host
}

ensure_buildkit_programs() {
  local flags="-X github.com/moby/buildkit/version.Version=v$BUILDKIT_VERSION" name
  for name in buildkitd buildctl; do
    build_go_program buildkit "github.com/moby/buildkit/cmd/$name" "$BIN_FOLDER/$name" "$flags"
  done
}

# buildkit_answers SECONDS
buildkit_answers() {
  timeout "$1" "$BIN_FOLDER/buildctl" --addr "unix://$BUILDKIT_SOCKET" debug info >/dev/null 2>&1
}
