# Pulumi's state: the backend, the passphrase that encrypts its secrets, and the stack itself.
# shellcheck shell=bash

PASSPHRASE_FILE="$CP_WHISPERX_HOME/passphrase"

# export_pulumi_environment: sets Pulumi's variables unless the user has set them. Pulumi.yaml names the backend of the
# default home; another home needs its own. A stack file without an encryption salt uses the salt in the state.
export_pulumi_environment() {
  export PULUMI_SKIP_UPDATE_CHECK=true PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER=true
  export CP_WHISPERX_DETAIL="${DETAIL:-${CP_WHISPERX_DETAIL:-}}"
  export PATH="$BIN_FOLDER:$PATH"
  if [[ -z ${PULUMI_CONFIG_PASSPHRASE+set}${PULUMI_CONFIG_PASSPHRASE_FILE+set} ]]; then
    export PULUMI_CONFIG_PASSPHRASE_FILE=$PASSPHRASE_FILE
  fi
  # Pulumi runs in other folders.
  if [[ ${PULUMI_CONFIG_PASSPHRASE_FILE:-} == [!/]* ]]; then export PULUMI_CONFIG_PASSPHRASE_FILE="$PWD/$PULUMI_CONFIG_PASSPHRASE_FILE"; fi
  if [[ ${PULUMI_BACKEND_URL:-} == file://[!/~]* ]]; then export PULUMI_BACKEND_URL="file://$PWD/${PULUMI_BACKEND_URL#file://}"; fi
  if [[ -z ${PULUMI_BACKEND_URL:-} && $CP_WHISPERX_HOME != "$HOME/.cp-whisperx" ]]; then
    export PULUMI_BACKEND_URL="file://$STATE_FOLDER"
  fi
}

# ensure_passphrase: creates it on first use, readable only by its owner. Without it the state's secrets are lost.
ensure_passphrase() {
  [[ ${PULUMI_CONFIG_PASSPHRASE_FILE:-} == "$PASSPHRASE_FILE" && ! -s $PASSPHRASE_FILE ]] || return 0
  (umask 077 && head --bytes 32 /dev/urandom | base64 | write_file "$PASSPHRASE_FILE" 600)
  say "state: created the passphrase $PASSPHRASE_FILE; back it up together with the state"
}

# ensure_stack: creates the stack if it does not exist; prints its configuration as JSON.
ensure_stack() {
  local configuration
  mkdir -p -- "$STATE_FOLDER"
  configuration=$(stack_configuration) || return
  if [[ -z $configuration ]]; then
    say "state: creating the stack $STACK_NAME"
    init_stack >&2 \
      || fail "the stack $STACK_NAME could not be created" "see the message above; pulumi whoami --verbose says which backend is used"
    configuration=$(stack_configuration)
  fi
  printf '%s' "$configuration"
}

# stack_configuration: as JSON; empty if there is no such stack.
stack_configuration() {
  query_stack config --json
}

# stack_outputs: the outputs of the last deployment, as JSON; {} if there was none.
stack_outputs() {
  local outputs
  outputs=$(query_stack stack output --json) || return
  printf '%s' "${outputs:-{\}}"
}

# query_stack ARGUMENT...: prints what a Pulumi command prints about the stack; empty if the stack does not exist.
query_stack() {
  local log="$LOG_FOLDER/stack-question.log"
  pulumi_here "$@" --stack "$STACK_NAME" 2>"$log" && return
  grep --quiet 'no stack named' "$log" && return
  log_tail "$log"
  fail "Pulumi could not read the stack $STACK_NAME" "see the message above; PULUMI_BACKEND_URL and the passphrase must be those it was created with"
}

# pulumi_here ARGUMENT...: runs Pulumi in this checkout without prompts.
pulumi_here() { pulumi_on_copy --non-interactive "$@"; }

# pulumi_on_copy ARGUMENT...: runs Pulumi in this checkout on a copy of the stack file, because Pulumi writes the salt into
# the file that it reads. It does not inherit our locks: its plugins outlive it if it is killed. recovery.sh handles its lock.
pulumi_on_copy() (
  copy_stack_file
  export PULUMI_OPTION_CONFIG_FILE="$STACK_COPY/Pulumi.$STACK_NAME.yaml"
  pulumi --cwd "$PROJECT_FOLDER" "$@" 8>&- 9>&-
)

# show_pulumi COMMAND ARGUMENT...: runs Pulumi with its own display on a terminal. Without one, build logs go to a file only.
# The exit status is Pulumi's.
show_pulumi() {
  if [[ -t 1 ]]; then
    pulumi_on_copy "$@"
  else
    pulumi_here "$@" | python3 "$TOOLCHAIN_FOLDER/quiet.py" "$LOG_FOLDER/pulumi-$1-$STACK_NAME.log" 8>&- 9>&-
  fi
}

# init_stack: runs on a copy, because stack init writes the salt next to the project file that it reads. Selects the stack for
# plain commands if none is selected.
init_stack() (
  copy_stack_file
  pulumi --cwd "$STACK_COPY" --non-interactive stack init "$STACK_NAME" --no-select
  pulumi --cwd "$PROJECT_FOLDER" --non-interactive stack --show-name >/dev/null 2>&1 \
    || pulumi --cwd "$PROJECT_FOLDER" --non-interactive stack select "$STACK_NAME"
)

# copy_stack_file: copies Pulumi.yaml and the stack file into the folder STACK_COPY, which this shell removes when it exits.
copy_stack_file() {
  local file
  STACK_COPY=$(mktemp --directory)
  trap 'rm -rf -- "$STACK_COPY"' EXIT
  for file in "$PROJECT_FOLDER/Pulumi.yaml" "$PROJECT_FOLDER/Pulumi.$STACK_NAME.yaml"; do
    [[ ! -e $file ]] || cp -- "$file" "$STACK_COPY"
  done
}

# json_value KEY...: the value at these keys of the JSON on standard input; empty if there is none.
json_value() {
  python3 -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value.get(key, {}) if isinstance(value, dict) else {}
print(value or "")' "$@"
}
