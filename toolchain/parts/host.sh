# The machine whose engine runs the stack: this one, or the one that the setting `host` names. Pulumi and the builder work
# on this one in either case, so the other one's engine is named to single commands and never exported.
# shellcheck shell=bash

# ssh://user@machine, empty for this machine.
STACK_HOST=

# set_stack_host KEY...: finds it at the keys of the JSON on standard input: what the command has read of the stack anyway,
# its configuration or its outputs, since another question to Pulumi takes a second.
set_stack_host() {
  STACK_HOST=$(json_value "$@")
}

# ensure_stack_engine: returns where the stack's engine answers. This machine's own is installed and started, another's is not.
ensure_stack_engine() {
  if [[ -z $STACK_HOST ]]; then
    ensure_engine
  else
    on_engine engine_version >/dev/null \
      || fail "the engine of $STACK_HOST does not answer (setting host of the stack $STACK_NAME)" "$(docker_command) version shows why; ssh must get there without a question, as a user who may use the engine"
  fi
}

# on_engine COMMAND...: runs the command with the stack's engine as that of every docker command in it.
on_engine() {
  if [[ -z $STACK_HOST ]]; then "$@"; else DOCKER_HOST=$STACK_HOST "$@"; fi
}

# docker_command: what people type for the stack's engine.
docker_command() {
  printf '%s' "docker${STACK_HOST:+ --host $STACK_HOST}"
}

# on_host SCRIPT ARGUMENT...: runs a script of the POSIX shell on the other machine. Its login shell gets all words as one line.
on_host() {
  local script=$1 word quote="'\\''" line='sh -c'
  shift
  for word in "$script" sh "$@"; do
    word=${word//\'/"$quote"}
    line+=" '$word'"
  done
  ssh -o BatchMode=yes "$STACK_HOST" "$line"
}

# address_of PATH: a path on the stack's machine as people on this one name it, user@machine:/path where that is another.
address_of() {
  printf '%s' "${STACK_HOST:+${STACK_HOST#ssh://}:}$1"
}
