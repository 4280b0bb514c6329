#!/usr/bin/env bash
# Prepares the second machine and its builder with this machine's tools. CP_WHISPERX_HOME is a temporary folder.
#
# tools.sh sshd FOLDER          unpack an sshd in FOLDER, without installing it: no service starts here
# tools.sh registry             build the registry's program
# tools.sh base-image           print the base image's reference
# tools.sh builder              start this home's builder, as make up does
# tools.sh stop-builder         stop it
# tools.sh environment FOLDER   create a Python environment for slim images; torch and its dependants are doubles
source "$(dirname -- "${BASH_SOURCE[0]}")/../../toolchain/load.sh"

unpack_sshd() {
  local folder=$1 package
  mkdir -p -- "$folder/packages"
  cd -- "$folder/packages"
  apt-get update
  apt-get -o APT::Sandbox::User=root download openssh-server libwrap0
  for package in *.deb; do dpkg-deb --extract "$package" "$folder"; done
}

make_environment() {
  local folder=$1 uv="$TOOLS_ENVIRONMENT/bin/uv" name packages="$1/lib/python3.11/site-packages"
  "$uv" venv --no-config --no-python-downloads --python "$(command -v python3)" "$folder"
  "$uv" pip sync --no-config --python "$folder/bin/python" --require-hashes "$PROJECT_FOLDER/docker/base-ml/requirements.cuda-slim.lock"
  # Gigabytes that the packaged models do not need.
  for name in torch torchaudio transformers sentencepiece pyannote/audio whisperx; do
    mkdir -p -- "$packages/$name"
    echo "raise ImportError('$name of this machine is a double')" >"$packages/$name/__init__.py"
  done
  chmod --recursive a+rX -- "$folder"
}

case $1 in
  sshd) step sshd-package unpack_sshd "$2" ;;
  registry) build_registry ;;
  base-image) base_image_reference ;;
  builder) ensure_builder ;;
  stop-builder) stop_service buildkitd ;;
  environment) step environment make_environment "$2" ;;
  *) fail "tools.sh has no command $1" "see the usage in its first lines" ;;
esac
