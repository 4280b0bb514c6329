#!/usr/bin/env bash
# make quality: subtitles clips shaped like films with this checkout's stages and the stack's models, and prints figures.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"
# shellcheck source=toolchain/runner/checks.sh
source "$TOOLCHAIN_FOLDER/runner/checks.sh"

main() {
  local folder
  reach_service asr
  ensure_python_tools
  with_tool_lock ensure_programs <<<$'ffmpeg ffmpeg\nflite flite'
  folder=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf -- '$folder'" EXIT
  on_engine docker cp --quiet "$CONTAINER:/models" "$folder" >/dev/null \
    || fail "the models could not be copied from $CONTAINER" "see the message above; make models fills the model cache anew"
  PYTHONPATH=$(printf '%s:' "$PROJECT_FOLDER"/docker/*/) MODEL_CACHE=$folder/models FILMS_OUT=$folder \
    "$DEVELOPMENT_ENVIRONMENT/bin/python" "$PROJECT_FOLDER/samples/quality/quality.py"
}

main
