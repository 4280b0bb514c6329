#!/usr/bin/env bash
# make builder: the builder starts anew, with what registries.toml says now.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

export_pulumi_environment
with_tool_lock restart_builder
say "builder: $BUILDER_NAME runs with $RUN_FOLDER/buildkitd.toml"
