#!/usr/bin/env bash
# make up: installs and starts what is missing, deploys the stack, and subtitles the sample film.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

# deploy: deploys the stack. If an image fails, the others stay built and the next run resumes.
deploy() {
  say "deploying the stack $STACK_NAME"
  update_stack "the stack $STACK_NAME is not fully deployed" --continue-on-error
}

# subtitle_sample FILMS OUT: subtitles the sample film on this machine's stack; on another host, prints how to send a film.
subtitle_sample() {
  local films=$1 out=$2 name
  if [[ -n $STACK_HOST ]]; then
    say "films go to $(address_of "$films"); make film STACK=$STACK_NAME FILM=path/to/film.mp4 copies one there and subtitles it"
  else
    name=$(import_film "$PROJECT_FOLDER/samples/The Missing Letter (2026).mp4" "$films")
    subtitle "$name" "$out"
  fi
}

# warn_of_old_base_image CONFIGURATION: older versions of make up wrote the base image into the stack file; that value may be outdated.
warn_of_old_base_image() {
  local base reference
  base=$(json_value cp-whisperx:baseImages objectValue cpu <<<"$1")
  [[ $base == "$BASE_IMAGE_NAME@"* ]] || return 0
  reference=$(base_image_reference)
  [[ $base == "$reference" ]] \
    || say "the stack $STACK_NAME keeps the base image $base, this machine has $reference; to take it: pulumi config rm --path baseImages.cpu --stack $STACK_NAME"
}

main() {
  local configuration snapshot outputs
  hold_stack_lock
  export_pulumi_environment
  ensure_passphrase
  with_tool_lock ensure_tools
  configuration=$(ensure_stack)
  write_machine_settings
  warn_of_old_base_image "$configuration"
  set_stack_host cp-whisperx:host value <<<"$configuration"
  # This machine's own engine came with the tools.
  [[ -z $STACK_HOST ]] || ensure_stack_engine
  snapshot="$RUN_FOLDER/images-before-$STACK_NAME.json"
  begin_deployment
  outputs=$(stack_outputs)
  on_engine python3 "$TOOLCHAIN_FOLDER/report.py" snapshot "$REGISTRY_ADDRESS" "$snapshot" <<<"$outputs"
  repair_drift "$outputs"
  deploy
  outputs=$(pulumi_here stack output --json --stack "$STACK_NAME")
  on_engine python3 "$TOOLCHAIN_FOLDER/report.py" healthy <<<"$outputs"
  subtitle_sample "$(json_value films in <<<"$outputs")" "$(json_value films out <<<"$outputs")"
  on_engine python3 "$TOOLCHAIN_FOLDER/report.py" tables "$REGISTRY_ADDRESS" "$snapshot" <<<"$outputs"
  say "done"
}

main
