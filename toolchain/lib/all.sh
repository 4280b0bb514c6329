# Everything a command of the toolchain needs. Source this file, nothing else.
# shellcheck shell=bash

set -euo pipefail
shopt -s inherit_errexit

_toolchain="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
set -a
# shellcheck source=/dev/null
source "$_toolchain/versions.env"
set +a
for _file in "$_toolchain"/lib/[!a]*.sh "$_toolchain"/parts/*.sh; do
  # shellcheck source=/dev/null
  source "$_file"
done
unset _toolchain _file
