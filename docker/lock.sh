#!/bin/bash
# Makes every requirements lock file anew: exact versions and hashes, no addresses.
#
#   docker/lock.sh               what is locked stays; only what the requirements or versions.txt changed moves
#   docker/lock.sh --upgrade     everything moves to the newest version that versions.txt allows
#
# A lock file repeats the versions of the image's parents, so that installing it replaces nothing of theirs.
set -euo pipefail
cd "$(dirname "$0")/.."

options=("$@")

if ! command -v uv >/dev/null; then
    echo "lock.sh: uv is not on the PATH; run: python3 -m pip install $(grep '^uv==' docker/versions.txt)" >&2
    exit 1
fi

# compile LOCK_FILE UV_OPTION...
compile() {
    echo "$1"
    uv pip compile --quiet --no-config --generate-hashes --no-annotate --no-build \
        --custom-compile-command docker/lock.sh --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
        --constraint docker/versions.txt --output-file "$1" "${options[@]}" "${@:2}"
}

# Locks the first requirements file; the others are those of the image's parents, locked already.
lock() {
    local own=$1 parent constraints=()
    for parent in "${@:2}"; do
        constraints+=(--constraint "${parent%.in}.lock")
    done
    compile "${own%.in}.lock" "${constraints[@]}" "$@"
}

# Locks what a stage with a GPU needs: all of it, and the part that a slim image has itself, at the same versions.
lock_graphics() {
    compile docker/base-ml/requirements.cuda.lock --emit-build-options \
        --constraint "${base%.in}.lock" docker/base-ml/requirements.cuda.in "$base"
    compile docker/base-ml/requirements.cuda-slim.lock --constraint docker/base-ml/requirements.cuda.lock \
        docker/base-ml/requirements.cuda-slim.in "$base"
}

# Locks what the tests and checks of all Python run with: the images' versions, and the tools.
lock_development() {
    local locked constraints=()
    for locked in docker/{base-spacy,base-whisper,tmdb,subtitle-gen,models,prefetch}/requirements.lock; do
        constraints+=(--constraint "$locked")
    done
    compile docker/development.lock "${constraints[@]}" --group docker/pyproject.toml:dev
    compile docker/torch-tests.lock --constraint docker/base-ml/requirements.cuda.lock \
        --constraint docker/development.lock --group docker/pyproject.toml:torch-tests
}

base=docker/base/requirements.in
machine_learning=docker/base-ml/requirements.cpu.in

lock docker/build-tools/requirements.in
lock "$base"
lock docker/base-spacy/requirements.in "$base"
lock "$machine_learning" "$base"
lock docker/base-whisper/requirements.in "$machine_learning" "$base"
lock_graphics
lock docker/models/requirements.in "$base"
compile docker/models/weights.lock --no-deps docker/models/weights.in
lock docker/prefetch/requirements.in "$base"
lock docker/tmdb/requirements.in "$base"
lock docker/subtitle-gen/requirements.in "$base"
lock samples/requirements.in
lock_development
