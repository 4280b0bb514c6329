# Comparing versions.
# shellcheck shell=bash

# at_least VERSION MINIMUM: true if the dotted VERSION (a leading v is ignored) is MINIMUM or newer.
at_least() {
  [[ -n ${1#v} && "$(printf '%s\n%s\n' "${2#v}" "${1#v}" | sort -V | head -n 1)" == "${2#v}" ]]
}
