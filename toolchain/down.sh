#!/usr/bin/env bash
# make down: removes containers and networks; keeps images, models, films and the stack itself.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  hold_existing_stack
  begin_deployment
  say "removing the containers and networks of the stack $STACK_NAME"
  pulumi_here destroy --yes --skip-preview --stack "$STACK_NAME" \
    --target '**docker:index/container:Container::**' --target '**docker:index/network:Network::**' --target-dependents \
    || fail "the stack $STACK_NAME is not fully down" "see the messages above and run the command again"
  end_deployment
  say "done; make up starts them again"
}

main
