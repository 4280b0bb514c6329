# All parts together: everything a bare machine lacks, in parallel where possible.
# shellcheck shell=bash

# ensure_tools [builds]: returns with the engine, the builder, the registry with the base image, Pulumi, its plugins and the npm
# packages. The long builds that need no engine run in parallel; if one fails, the command fails. With `builds`, images are only
# built: an engine is needed for no more than to run builder and registry.
ensure_tools() {
  local beside status=0
  check_space "$CP_WHISPERX_HOME" 3
  command -v curl >/dev/null || install_packages curl curl ca-certificates
  (
    ensure_pulumi
    ensure_plugins
  ) &
  beside=$!
  trap 'end_beside "$beside"' EXIT
  ensure_node_modules
  { [[ ${1:-} == builds ]] && builds_without_engine; } || ensure_engine
  ensure_registry
  ensure_buildx
  ensure_builder
  ensure_base_image
  wait "$beside" || status=$?
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

# builds_without_engine: whether builder and registry run outside the engine.
builds_without_engine() {
  [[ "$(builder_driver)" == remote ]] && registry_answers 5
}

# end_beside PROCESS: ends the parallel builds after another part failed.
end_beside() {
  kill -- "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
