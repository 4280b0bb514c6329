#!/usr/bin/env bash
# make destroy [DATA=yes]: ends the stack. Models, queue and films stay; DATA=yes removes models and queue as well.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

# remove_data: the volumes that a destroy keeps. The film folders may hold a person's library: they are named, not removed.
remove_data() {
  on_engine docker volume rm --force "cp-whisperx-$STACK_NAME-model-cache" "cp-whisperx-$STACK_NAME-queue" \
    || fail "the volumes of the stack $STACK_NAME could not be removed" "see the message above and run the command again"
}

main() {
  local configuration outputs
  hold_stack_lock
  export_pulumi_environment
  [[ -n "$(pulumi_version)" ]] || fail "there is no Pulumi on this machine, so nothing is deployed" "make up"
  configuration=$(stack_configuration)
  [[ -n $configuration ]] || fail "there is no stack $STACK_NAME" "make up STACK=$STACK_NAME"
  set_stack_host cp-whisperx:host value <<<"$configuration"
  ensure_stack_engine
  outputs=$(stack_outputs)
  begin_deployment
  say "destroying the stack $STACK_NAME"
  pulumi_here destroy --yes --skip-preview --stack "$STACK_NAME" \
    || fail "the stack $STACK_NAME is not fully destroyed" "see the messages above and run the command again"
  end_deployment
  if [[ ${DATA:-} == yes ]]; then remove_data; else say "models and queue stay in their volumes; make destroy DATA=yes removes them"; fi
  say "films and results stay in $(json_value films in <<<"$outputs") and $(json_value films out <<<"$outputs")"
}

main
