# A stack that is there already, and its services by the last deployment's outputs.
# shellcheck shell=bash disable=SC2034 # the commands read CONTAINER

# hold_existing_stack: holds the stack's lock and returns where its engine answers; fails where there is no such stack.
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

# reach_stack: prints the outputs of the deployed stack, fails where it is not deployed. The caller names its engine by them:
# outputs=$(reach_stack) && set_stack_host host <<<"$outputs".
reach_stack() {
  local outputs
  [[ -n "$(pulumi_version)" ]] || fail "there is no Pulumi on this machine, so nothing is deployed" "make up STACK=$STACK_NAME"
  outputs=$(stack_outputs)
  [[ -n "$(json_value services <<<"$outputs")" ]] || fail "the stack $STACK_NAME is not deployed" "make up STACK=$STACK_NAME"
  printf '%s' "$outputs"
}

# service_container STAGE: reads outputs from standard input and prints the container of that service.
service_container() {
  local stage=$1 outputs container names
  outputs=$(cat)
  names=$(python3 -c 'import json, sys; print(", ".join(json.load(sys.stdin)["services"]))' <<<"$outputs")
  [[ -n $stage ]] || fail "no service was named" "STAGE= one of $names"
  container=$(json_value services "$stage" container <<<"$outputs")
  [[ -n $container ]] || fail "the stack $STACK_NAME has no service $stage" "STAGE= one of $names"
  printf '%s' "$container"
}

# reach_service STAGE: sets CONTAINER to the container of that service, and returns where its engine answers.
reach_service() {
  local outputs
  export_pulumi_environment
  outputs=$(reach_stack)
  CONTAINER=$(service_container "$1" <<<"$outputs")
  set_stack_host host <<<"$outputs"
  ensure_stack_engine
}
