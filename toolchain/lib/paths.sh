# Folders and names that the parts share.
# shellcheck shell=bash disable=SC2034 # the parts use these names

# The folder for everything outside the checkout.
export CP_WHISPERX_HOME="${CP_WHISPERX_HOME:-$HOME/.cp-whisperx}"

TOOLCHAIN_FOLDER="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
PROJECT_FOLDER="$(dirname -- "$TOOLCHAIN_FOLDER")"
BIN_FOLDER="$CP_WHISPERX_HOME/bin"
LOG_FOLDER="$CP_WHISPERX_HOME/log"
RUN_FOLDER="$CP_WHISPERX_HOME/run"
STAMP_FOLDER="$CP_WHISPERX_HOME/stamps"
STATE_FOLDER="$CP_WHISPERX_HOME/state"
REGISTRY_FOLDER="$CP_WHISPERX_HOME/registry"
BUILDKIT_FOLDER="$CP_WHISPERX_HOME/buildkit"
PLUGIN_FOLDER="${PULUMI_HOME:-$HOME/.pulumi}/plugins"

# The names of the BuildKit builder and of the stack.
BUILDER_NAME=cp-whisperx
STACK_NAME="${STACK:-dev}"

# The registry's address. The port can be changed if 5000 is taken.
REGISTRY_PORT="${CP_WHISPERX_REGISTRY_PORT:-5000}"
REGISTRY_ADDRESS="127.0.0.1:$REGISTRY_PORT"

mkdir -p "$BIN_FOLDER" "$LOG_FOLDER" "$RUN_FOLDER" "$STAMP_FOLDER"
