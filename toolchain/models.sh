#!/usr/bin/env bash
# make models: refills the model cache of a deployed stack from the current sources and changes nothing else. Needed after a
# change that Pulumi cannot see: an accepted licence or a damaged model.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

# fill_cache TARGET...: both commands verify the files in the cache and fetch what is missing. The targets are their images,
# whose sources may have changed.
fill_cache() {
  update_stack "the model cache of the stack $STACK_NAME is not complete" "${@/#/--target=}" \
    --target-replace '**command:local:Command::model-cache-fill' \
    --target-replace '**command:local:Command::model-cache-prefetch'
}

main() {
  local configuration patterns targets
  hold_stack_lock
  reach_stack
  with_tool_lock ensure_tools builds
  configuration=$(stack_configuration)
  patterns=$(image_targets models <<<"$configuration")
  # The image prefetch has the same ancestors; only stacks with models from the hub have it.
  mapfile -t targets <<<"$patterns"$'\n**docker-build:index:Image::prefetch'
  begin_deployment
  say "filling the model cache of the stack $STACK_NAME"
  fill_cache "${targets[@]}"
  say "done; new jobs use these models; resume JOB re-runs the affected stages of an earlier job"
}

main
