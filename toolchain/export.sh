#!/usr/bin/env bash
# make export [TO=build/export]: writes the stack as docker-bake.json and compose.yaml. Needs no engine and no state.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  local folder secrets secret
  folder=$(cd -- "$PROJECT_FOLDER" && realpath --canonicalize-missing -- "${TO:-build/export}")
  [[ -f "$PROJECT_FOLDER/Pulumi.$STACK_NAME.yaml" ]] || fail "there is no Pulumi.$STACK_NAME.yaml" "STACK= one of the stack files in $PROJECT_FOLDER"
  ensure_node_modules
  secrets=$(cd -- "$PROJECT_FOLDER" && npx --no-install ts-node toolchain/export/main.ts "$STACK_NAME" "$folder") \
    || fail "the stack $STACK_NAME could not be exported" "see the message above"
  for secret in $secrets; do say "put the value of $secret into $folder/secrets/$secret; this command writes no secret"; done
  say "build and start it: cd $(printf %q "$folder") && BUILDX_BUILDER=$BUILDER_NAME docker buildx bake --file docker-bake.json && docker compose up --detach --pull always"
}

main
