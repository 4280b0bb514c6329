#!/usr/bin/env bash
# make env: prints the environment for plain Pulumi commands: eval "$(make --silent env)".
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

main() {
  local name
  export_pulumi_environment
  [[ $CP_WHISPERX_HOME == "$HOME/.cp-whisperx" ]] || printf 'export CP_WHISPERX_HOME=%q\n' "$CP_WHISPERX_HOME"
  for name in PULUMI_BACKEND_URL PULUMI_CONFIG_PASSPHRASE_FILE PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER; do
    [[ -z ${!name:-} ]] || printf 'export %s=%q\n' "$name" "${!name}"
  done
  # shellcheck disable=SC2016 # the reader's shell replaces $PATH
  printf 'export PATH=%q:"$PATH"\n' "$BIN_FOLDER"
}

main
