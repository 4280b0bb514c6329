#!/usr/bin/env bash
# make build [IMAGE=asr]: builds and pushes all images, or one with its ancestors. Deploys nothing; needs only a builder and
# a registry.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  local configuration patterns targets
  hold_stack_lock
  export_pulumi_environment
  ensure_passphrase
  with_tool_lock ensure_tools builds
  configuration=$(ensure_stack)
  write_machine_settings
  set_stack_host cp-whisperx:host value <<<"$configuration"
  patterns=$(image_targets "${IMAGE:-}" <<<"$configuration")
  release_stale_locks
  say "building ${IMAGE:-the images} of the stack $STACK_NAME"
  mapfile -t targets <<<"$patterns"
  CP_WHISPERX_BUILD=yes update_stack "not every image is built" --continue-on-error "${targets[@]/#/--target=}"
}

main
