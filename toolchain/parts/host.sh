# The machine that runs the stack: this one, or the one in the setting `host`. Pulumi and the builder always run on this one,
# so DOCKER_HOST is set for single commands and never exported.
# shellcheck shell=bash

# ssh://user@machine, empty for this machine.
STACK_HOST=

# set_stack_host KEY...: reads it at these keys of the JSON on standard input, the stack's configuration or outputs. The
# caller has that JSON already; another call of Pulumi takes a second.
set_stack_host() {
  STACK_HOST=$(json_value "$@")
}

# ensure_stack_engine: returns when the stack's engine answers. Installs and starts only this machine's engine.
ensure_stack_engine() {
  if [[ -z $STACK_HOST ]]; then
    ensure_engine
  else
    on_engine engine_version >/dev/null \
      || fail "the engine of $STACK_HOST does not answer (setting host of the stack $STACK_NAME)" "$(docker_command) version shows why; ssh must connect without a prompt, as a user who may use the engine"
  fi
}

# on_engine COMMAND...: runs the command; every docker command in it uses the stack's engine.
on_engine() {
  if [[ -z $STACK_HOST ]]; then "$@"; else DOCKER_HOST=$STACK_HOST "$@"; fi
}

# docker_command: the docker command line for the stack's engine.
docker_command() {
  printf '%s' "docker${STACK_HOST:+ --host $STACK_HOST}"
}

# on_host SCRIPT ARGUMENT...: runs a POSIX shell script on the other machine. ssh passes all arguments as one line.
on_host() {
  local script=$1 word quote="'\\''" line='sh -c'
  shift
  for word in "$script" sh "$@"; do
    word=${word//\'/"$quote"}
    line+=" '$word'"
  done
  ssh -o BatchMode=yes "$STACK_HOST" "$line"
}

# address_of PATH: a path on the stack's machine, as user@machine:/path if that is another machine.
address_of() {
  printf '%s' "${STACK_HOST:+${STACK_HOST#ssh://}:}$1"
}
