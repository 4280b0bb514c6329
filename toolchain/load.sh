# Loads the pinned versions and all functions. Sourced, never run.
# shellcheck shell=bash

set -euo pipefail
shopt -s inherit_errexit

_toolchain="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
for _file in "$_toolchain"/versions.env "$_toolchain"/lib/*.sh "$_toolchain"/parts/*.sh; do
  # shellcheck source=/dev/null
  source "$_file"
done
unset _toolchain _file
