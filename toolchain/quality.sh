#!/usr/bin/env bash
# make quality: subtitles film-like clips with this checkout's stages and the stack's models, and prints quality figures.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"
# shellcheck source=toolchain/runner/checks.sh
source "$TOOLCHAIN_FOLDER/runner/checks.sh"

main() {
  local folder
  reach_service asr
  ensure_python_tools
  with_tool_lock ensure_programs <<<$'ffmpeg ffmpeg\nflite flite'
  folder=$(mktemp -d)
  # shellcheck disable=SC2064 # expand the folder now
  trap "rm -rf -- '$folder'" EXIT
  on_engine docker cp --quiet "$CONTAINER:/models" "$folder" >/dev/null \
    || fail "the models could not be copied from $CONTAINER" "see the message above; make models refills the model cache"
  PYTHONPATH=$(printf '%s:' "$PROJECT_FOLDER"/docker/*/) MODEL_CACHE=$folder/models FILMS_OUT=$folder \
    "$DEVELOPMENT_ENVIRONMENT/bin/python" "$PROJECT_FOLDER/samples/quality/quality.py"
}

main
