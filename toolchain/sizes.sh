#!/usr/bin/env bash
# make sizes: what the images of a deployed stack weigh, written into docs/sizes.md.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  local images
  export_pulumi_environment
  [[ -n "$(pulumi_version)" ]] || fail "there is no Pulumi on this machine" "make up"
  ensure_engine
  ensure_node_modules
  images=$(pulumi_here stack output images --json --stack "$STACK_NAME" 2>"$LOG_FOLDER/outputs.log") \
    || fail "the stack $STACK_NAME is not deployed" "make up STACK=$STACK_NAME"
  (cd -- "$PROJECT_FOLDER" && npx --no-install ts-node bench/write-sizes.ts "$STACK_NAME") <<<"$images" \
    || fail "the images of the stack $STACK_NAME could not be weighed" "see the message above; the registry and the engine must both have them"
  say "docs/sizes.md has the sizes of the stack $STACK_NAME"
}

main
