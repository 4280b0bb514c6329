#!/usr/bin/env bash
# make models: refills the model cache of a deployed stack and changes nothing else. Needed after a change that Pulumi cannot
# see: an accepted licence or a damaged model.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

# fill_cache: both commands verify the files in the cache and fetch what is missing.
fill_cache() {
  update_stack "the model cache of the stack $STACK_NAME is not complete" \
    --target-replace '**command:local:Command::model-cache-fill' \
    --target-replace '**command:local:Command::model-cache-prefetch'
}

main() {
  hold_stack_lock
  reach_stack
  ensure_node_modules
  begin_deployment
  say "filling the model cache of the stack $STACK_NAME"
  fill_cache
  say "done; new jobs use these models; resume JOB re-runs the affected stages of an earlier job"
}

main
