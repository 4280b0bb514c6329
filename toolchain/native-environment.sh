#!/usr/bin/env bash
# make native-environment [FOLDER=.bollyenv] [PYTHON=python3.11]: the host's Python environment that stack native mounts.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  local folder
  folder=$(realpath --canonicalize-missing -- "${FOLDER:-$PROJECT_FOLDER/.bollyenv}")
  ensure_native_environment "$folder" "${PYTHON:-python$NATIVE_PYTHON_VERSION}"
  say "done; to use it: pulumi config set --stack native --path native.environment $(printf %q "$folder")"
}

main
