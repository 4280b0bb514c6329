#!/usr/bin/env bash
# make restart STAGE=asr: stops one service and starts it again; it requeues its job.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  reach_service "${STAGE:-}"
  on_engine docker restart "$CONTAINER" >/dev/null
  say "$CONTAINER restarted"
}

main
