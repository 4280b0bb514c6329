# A deployed stack, and its services from the last deployment's outputs.
# shellcheck shell=bash disable=SC2034 # the commands read OUTPUTS and CONTAINER

# hold_existing_stack: takes the stack's lock and returns when its engine answers; fails if there is no such stack.
hold_existing_stack() {
  local configuration
  hold_stack_lock
  export_pulumi_environment
  [[ -n "$(pulumi_version)" ]] || fail "there is no Pulumi on this machine, so nothing is deployed" "make up"
  configuration=$(stack_configuration)
  [[ -n $configuration ]] || fail "there is no stack $STACK_NAME" "make up STACK=$STACK_NAME"
  set_stack_host cp-whisperx:host value <<<"$configuration"
  ensure_stack_engine
}

# reach_stack: sets OUTPUTS to those of the last deployment and returns when the stack's engine answers; fails if the stack
# is not deployed.
reach_stack() {
  export_pulumi_environment
  command -v pulumi >/dev/null || fail "there is no Pulumi on this machine, so nothing is deployed" "make up STACK=$STACK_NAME"
  OUTPUTS=$(stack_outputs)
  [[ -n "$(json_value services <<<"$OUTPUTS")" ]] || fail "the stack $STACK_NAME is not deployed" "make up STACK=$STACK_NAME"
  set_stack_host host <<<"$OUTPUTS"
  ensure_stack_engine
}

# service_container STAGE: prints the container of that service.
service_container() {
  local stage=$1 container names
  names=$(python3 -c 'import json, sys; print(", ".join(json.load(sys.stdin)["services"]))' <<<"$OUTPUTS")
  [[ -n $stage ]] || fail "STAGE is not set" "STAGE= one of $names"
  container=$(json_value services "$stage" container <<<"$OUTPUTS")
  [[ -n $container ]] || fail "the stack $STACK_NAME has no service $stage" "STAGE= one of $names"
  printf '%s' "$container"
}

# reach_service STAGE: sets CONTAINER to the container of that service and returns when its engine answers.
reach_service() {
  reach_stack
  CONTAINER=$(service_container "$1")
}
