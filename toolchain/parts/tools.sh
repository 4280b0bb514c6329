# Installs and starts everything a bare machine needs, in parallel if possible.
# shellcheck shell=bash

# ensure_tools [builds]: returns with what runs the program and what runs images. With `builds`, an engine is used only to run
# the builder and the registry.
ensure_tools() {
  check_space "$CP_WHISPERX_HOME" 3
  ensure_program ensure_machine "${1:-}"
}

# ensure_program [COMMAND...]: returns with what runs the program: Pulumi, its plugins and the npm packages. It needs no engine.
# Pulumi and the plugins may take long; COMMAND runs in parallel with them. If one fails, the command fails.
ensure_program() {
  local build_process status=0
  command -v curl >/dev/null || install_packages curl curl ca-certificates
  (
    ensure_pulumi
    ensure_plugins
  ) &
  build_process=$!
  trap 'end_builds "$build_process"' EXIT
  ensure_node_modules
  "$@"
  wait "$build_process" || status=$?
  trap - EXIT
  ((status == 0)) || exit "$status"
}

# ensure_machine PURPOSE: returns with the engine, the builder, and the registry with the base image.
ensure_machine() {
  { [[ $1 == builds ]] && builds_without_engine; } || ensure_engine
  ensure_registry
  ensure_buildx
  ensure_builder
  ensure_base_image
}

# builds_without_engine: true if builder and registry run outside the engine.
builds_without_engine() {
  [[ "$(builder_driver)" == remote ]] && registry_answers 5
}

# end_builds PROCESS: ends the parallel builds after another part failed.
end_builds() {
  kill -- "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
