#!/usr/bin/env bash
# make builder: restarts the builder, so that it reads registries.toml again.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

export_pulumi_environment
with_tool_lock restart_builder
say "builder: $BUILDER_NAME runs with $RUN_FOLDER/buildkitd.toml"
