#!/usr/bin/env bash
# make secret KEY=tmdbApiKey: stores a secret of the stack in a file outside the checkout that only its owner can read.
# Prompts without echo on a terminal, otherwise reads standard input.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

SECRETS=(tmdbApiKey models.token registryLogin.password)

# read_secret KEY: sets SECRET to one line from the prompt or from standard input.
read_secret() {
  if [[ -t 0 ]]; then
    read -r -s -p "$1 of the stack $STACK_NAME: " SECRET || true
    printf '\n' >&2
  else
    IFS= read -r SECRET || true
  fi
  [[ -n $SECRET ]] || fail "no value was given" "type it, or pipe it in: make secret KEY=$1 <FILE"
}

main() {
  local key=${KEY:-} file="$CP_WHISPERX_HOME/secrets/$STACK_NAME/${KEY:-}"
  [[ -n $key && " ${SECRETS[*]} " == *" $key "* ]] || fail "KEY=$key is no secret" "KEY= one of ${SECRETS[*]}"
  read_secret "$key"
  (umask 077 && write_file "$file" 600 <<<"$SECRET")
  say "stored $key in $file; make up STACK=$STACK_NAME uses it unless Pulumi.$STACK_NAME.yaml sets it"
}

main
