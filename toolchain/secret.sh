#!/usr/bin/env bash
# make secret KEY=tmdbApiKey: keeps a secret of the stack in a file of this machine that its owner alone can read. It is typed
# without echo, or comes on standard input where that is no terminal.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

SECRETS=(tmdbApiKey models.token registryLogin.password)

# read_secret KEY: sets SECRET to the line that is typed or piped in.
read_secret() {
  if [[ -t 0 ]]; then
    read -r -s -p "$1 of the stack $STACK_NAME: " SECRET
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
  say "$file holds it; make up STACK=$STACK_NAME uses it"
}

main
