# The program's npm packages, exactly as package-lock.json has them.
# shellcheck shell=bash

# ensure_node_modules: installs them; does nothing if they were installed from the same lock.
ensure_node_modules() {
  local hash
  hash=$(hash_of "$PROJECT_FOLDER/package-lock.json")
  if [[ -d "$PROJECT_FOLDER/node_modules" && "$(cat "$PROJECT_FOLDER/node_modules/.cp-whisperx-lock" 2>/dev/null)" == "$hash" ]]; then return; fi
  command -v node >/dev/null || fail "Node is missing" "install Node 20 or newer with npm"
  at_least "$(node --version)" 20.0.0 || fail "Node is $(node --version), the program needs 20 or newer" "install a newer Node and put it first on the PATH"
  step npm-packages npm --prefix "$PROJECT_FOLDER" ci --no-audit --no-fund \
    || fail "the npm packages could not be installed" "read $LOG_FOLDER/npm-packages.log and run the command again"
  write_file "$PROJECT_FOLDER/node_modules/.cp-whisperx-lock" 644 <<<"$hash"
}
