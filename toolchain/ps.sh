#!/usr/bin/env bash
# make ps: the containers of the stack's services and their health.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  reach_stack
  on_engine docker ps --all --filter "label=cp-whisperx.stack=$STACK_NAME" --format 'table {{.Names}}\t{{.Status}}\t{{.RunningFor}}'
}

main
