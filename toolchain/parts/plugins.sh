# Pulumi's provider plugins, in the folder where Pulumi looks for them.
# shellcheck shell=bash

# ensure_plugins: returns with the three plugins installed in their pinned versions.
ensure_plugins() {
  ensure_plugin docker-build "$PULUMI_DOCKER_BUILD_VERSION" build_docker_build_plugin
  ensure_plugin command "$PULUMI_COMMAND_VERSION" build_command_plugin
  ensure_plugin docker "$PULUMI_DOCKER_VERSION" build_docker_plugin
}

# ensure_plugin NAME VERSION BUILD: installs the official plugin if it is reachable, otherwise calls BUILD with the target file.
# Keeps an installed plugin, unless we built it from different sources.
ensure_plugin() {
  local name=$1 version=$2 build=$3 target="$PLUGIN_FOLDER/resource-$1-v$2/pulumi-resource-$1"
  if [[ -x $target && ! -e "$STAMP_FOLDER/pulumi-resource-$name" ]]; then return; fi
  if [[ ! -x $target ]] && use_official "plugin-$name" https://get.pulumi.com/; then
    step "plugin-$name" "$(pulumi_program)" plugin install resource "$name" "$version" --exact \
      || fail "the plugin $name $version could not be installed" "read $LOG_FOLDER/plugin-$name.log, or set TOOLCHAIN_SOURCE=packages to build it from its Go module"
    return
  fi
  "$build" "$target"
}

pulumi_program() {
  if [[ -x "$BIN_FOLDER/pulumi" ]]; then printf '%s' "$BIN_FOLDER/pulumi"; else command -v pulumi; fi
}

build_docker_build_plugin() {
  build_go_program docker-build github.com/pulumi/pulumi-docker-build/provider/cmd/pulumi-resource-docker-build "$1" \
    "-X github.com/pulumi/pulumi-docker-build/provider.Version=$PULUMI_DOCKER_BUILD_VERSION"
}

build_command_plugin() {
  build_go_program command . "$1" "-X main.version=$PULUMI_COMMAND_VERSION"
}

build_docker_plugin() {
  build_go_program docker . "$1" "" no_compose
}
