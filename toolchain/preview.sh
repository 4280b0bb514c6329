#!/usr/bin/env bash
# make preview [DETAIL=yes]: what make up would change and why, with nothing changed.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  export_pulumi_environment
  [[ -n "$(pulumi_version)" ]] || fail "there is no Pulumi on this machine" "make up"
  ensure_passphrase
  ensure_node_modules
  ensure_stack >/dev/null
  show_pulumi preview --diff=false --stack "$STACK_NAME"
}

main
