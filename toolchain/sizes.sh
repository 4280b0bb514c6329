#!/usr/bin/env bash
# make sizes: what the images of a deployed stack weigh, written into docs/sizes.md.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

# trust_registry: docker's client on this machine is to trust what the stack's builds trust.
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
  local image registry way_out="see the message above; the registry and the engine must both have them"
  reach_stack
  image=$(json_value images demux reference <<<"$OUTPUTS")
  ensure_node_modules
  registry=${image%%/*}
  if [[ $registry != "$REGISTRY_ADDRESS" ]]; then
    trust_registry
    # The engine checks a login, and the stack's knows the registry.
    way_out+=". Docker asks $registry with a login of its own ($(docker_command) login $registry) and trusts the authorities in ${SSL_CERT_FILE:-the bundle of this machine} (pulumi config set --stack $STACK_NAME certificates FILE)"
  fi
  write_sizes <<<"$OUTPUTS" || fail "the images of the stack $STACK_NAME could not be weighed, or are too heavy" "$way_out"
  say "docs/sizes.md has the sizes of the stack $STACK_NAME"
}

main
