#!/usr/bin/env bash
# make models: fills the model cache of a deployed stack anew, and leaves the rest of the stack as it is. For what Pulumi
# cannot see: a licence that was accepted, a model that was damaged.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

# fill_cache: both commands look at what is there and bring what is not.
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
  say "done; jobs to come use what is there now, and resume JOB repeats what it changes for an earlier one"
}

main
