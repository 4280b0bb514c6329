#!/usr/bin/env bash
# make restart STAGE=asr: stops one service and starts it again; it requeues the job in hand.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  local outputs container
  export_pulumi_environment
  outputs=$(reach_stack)
  container=$(service_container "${STAGE:-}" <<<"$outputs")
  set_stack_host host <<<"$outputs"
  ensure_stack_engine
  on_engine docker restart "$container" >/dev/null
  say "$container runs again"
}

main
