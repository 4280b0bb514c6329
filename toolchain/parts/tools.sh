# Installs and starts everything a bare machine needs, in parallel if possible.
# shellcheck shell=bash

# ensure_tools [builds]: returns with the engine, the builder, the registry with the base image, Pulumi, its plugins and the npm
# packages. Long builds that need no engine run in parallel; if one fails, the command fails. With `builds`, an engine is used
# only to run the builder and the registry.
ensure_tools() {
  local build_process status=0
  check_space "$CP_WHISPERX_HOME" 3
  command -v curl >/dev/null || install_packages curl curl ca-certificates
  (
    ensure_pulumi
    ensure_plugins
  ) &
  build_process=$!
  trap 'end_builds "$build_process"' EXIT
  ensure_node_modules
  { [[ ${1:-} == builds ]] && builds_without_engine; } || ensure_engine
  ensure_registry
  ensure_buildx
  ensure_builder
  ensure_base_image
  wait "$build_process" || status=$?
  trap - EXIT
  ((status == 0)) || exit "$status"
}

# ensure_program: returns with what runs the program: Pulumi, its plugins and the npm packages. It needs no engine.
ensure_program() {
  command -v curl >/dev/null || install_packages curl curl ca-certificates
  ensure_pulumi
  ensure_plugins
  ensure_node_modules
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
