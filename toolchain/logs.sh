#!/usr/bin/env bash
# make logs STAGE=asr [FOLLOW=1]: the log of one service.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  reach_service "${STAGE:-}"
  on_engine docker logs ${FOLLOW:+--follow} "$CONTAINER"
}

main
