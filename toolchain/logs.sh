#!/usr/bin/env bash
# make logs STAGE=asr [FOLLOW=1]: the log of one service.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  local outputs container
  export_pulumi_environment
  outputs=$(reach_stack)
  container=$(service_container "${STAGE:-}" <<<"$outputs")
  set_stack_host host <<<"$outputs"
  ensure_stack_engine
  on_engine docker logs ${FOLLOW:+--follow} "$container"
}

main
