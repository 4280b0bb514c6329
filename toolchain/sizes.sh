#!/usr/bin/env bash
# make sizes: writes the image sizes of a deployed stack into docs/sizes.md.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

# trust_registry: makes this machine's docker client trust the stack's certificates.
trust_registry() {
  local configuration file
  configuration=$(stack_configuration)
  file=$(json_value cp-whisperx:certificates value <<<"$configuration")
  [[ -n $file ]] || return 0
  SSL_CERT_FILE=$(cd -- "$PROJECT_FOLDER" && realpath --canonicalize-missing -- "$file")
  export SSL_CERT_FILE
}

write_sizes() { (cd -- "$PROJECT_FOLDER" && on_engine npx --no-install ts-node bench/write-sizes.ts "$STACK_NAME"); }

main() {
  local image registry fix="see the message above; both the registry and the engine must have them"
  reach_stack
  image=$(json_value images demux reference <<<"$OUTPUTS")
  ensure_node_modules
  registry=${image%%/*}
  if [[ $registry != "$REGISTRY_ADDRESS" ]]; then
    trust_registry
    # docker login goes through the engine, so it must be the stack's: that one trusts the registry.
    fix+=". Docker uses its own login for $registry ($(docker_command) login $registry) and trusts the authorities in ${SSL_CERT_FILE:-the bundle of this machine} (pulumi config set --stack $STACK_NAME certificates FILE)"
  fi
  write_sizes <<<"$OUTPUTS" || fail "the images of the stack $STACK_NAME could not be measured, or are too large" "$fix"
  say "docs/sizes.md now has the sizes of the stack $STACK_NAME"
}

main
