#!/usr/bin/env bash
# make env: prints the environment for plain Pulumi commands: eval "$(make --silent env)".
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  local name
  export_pulumi_environment
  for name in PULUMI_BACKEND_URL PULUMI_CONFIG_PASSPHRASE_FILE PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER; do
    [[ -z ${!name:-} ]] || printf 'export %s=%q\n' "$name" "${!name}"
  done
  # shellcheck disable=SC2016 # the reader's shell replaces $PATH
  printf 'export PATH=%q:"$PATH"\n' "$BIN_FOLDER"
}

main
