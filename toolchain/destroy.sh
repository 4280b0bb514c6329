#!/usr/bin/env bash
# make destroy [DATA=yes]: removes the stack. Models, queue and films stay; DATA=yes removes models and queue as well.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

# remove_data: removes the volumes that a destroy keeps. The film folders may hold a person's library, so they stay.
remove_data() {
  on_engine docker volume rm --force "cp-whisperx-$STACK_NAME-model-cache" "cp-whisperx-$STACK_NAME-queue" \
    || fail "the volumes of the stack $STACK_NAME could not be removed" "see the message above and run the command again"
}

main() {
  local outputs films
  hold_existing_stack
  outputs=$(stack_outputs)
  begin_deployment
  say "destroying the stack $STACK_NAME"
  pulumi_here destroy --yes --skip-preview --stack "$STACK_NAME" \
    || fail "the stack $STACK_NAME is not fully destroyed" "see the messages above and run the command again"
  end_deployment
  if [[ ${DATA:-} == yes ]]; then remove_data; else say "models and queue are kept in their volumes; make destroy DATA=yes removes them"; fi
  films=$(json_value films in <<<"$outputs")
  [[ -z $films ]] || say "films and results are kept in $films and $(json_value films out <<<"$outputs")"
}

main
