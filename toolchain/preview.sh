#!/usr/bin/env bash
# make preview [DETAIL=yes]: what make up would change and why, with nothing changed.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  export_pulumi_environment
  ensure_passphrase
  with_tool_lock ensure_program
  ensure_stack >/dev/null
  show_pulumi preview --diff=false --suppress-outputs --stack "$STACK_NAME"
}

main
