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
  patterns=$(cd -- "$PROJECT_FOLDER" && npx --no-install ts-node toolchain/build-targets.ts "${IMAGE:-}" <<<"$configuration") \
    || fail "the images to build could not be determined" "see the message above; without IMAGE all images are built"
  begin_deployment
  say "building ${IMAGE:-the images} of the stack $STACK_NAME"
  mapfile -t targets <<<"$patterns"
  CP_WHISPERX_BUILD=yes update_stack "not every image is built" --continue-on-error "${targets[@]/#/--target=}"
}

main
