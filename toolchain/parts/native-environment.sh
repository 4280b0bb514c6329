# The host's Python environment for the stack native: the packages that the slim images leave out, in the versions of the
# full images' lock.
# shellcheck shell=bash

NATIVE_LOCK="$PROJECT_FOLDER/docker/base-ml/requirements.cuda.lock"
# Holds the hash of the lock that the environment was made from; written last: without it the environment is incomplete.
NATIVE_STAMP=cp-whisperx.stamp
# The images' Python version, from the base image's tag.
NATIVE_PYTHON_VERSION="${BASE_IMAGE_TAG%%-*}"
# GiB for the packages and for uv's downloads of them.
NATIVE_SPACE=14

# ensure_native_environment FOLDER PYTHON: returns with the environment complete; continues an interrupted run.
ensure_native_environment() {
  local folder=$1 python=$2 hash
  hash=$(hash_of "$NATIVE_LOCK")
  check_native_python "$python"
  check_native_folder "$folder"
  if [[ "$(cat -- "$folder/$NATIVE_STAMP" 2>/dev/null)" == "$hash" ]]; then
    say "native environment: $folder is complete"
    return
  fi
  mkdir -p -- "$folder"
  check_space "$folder" "$NATIVE_SPACE"
  ensure_environment "$TOOLS_ENVIRONMENT" "$TOOLCHAIN_FOLDER/python-tools.lock" install_tools
  step native-environment install_native "$folder" "$python" \
    || fail "the packages of $NATIVE_LOCK could not be installed in $folder" "read $LOG_FOLDER/native-environment.log and run the command again; downloads are kept"
  step native-environment-check check_native_libraries "$folder" \
    || fail "a library in $folder does not load" "read $LOG_FOLDER/native-environment-check.log, remove $folder and run the command again"
  write_file "$folder/$NATIVE_STAMP" 644 <<<"$hash"
}

# check_native_python PYTHON: compiled packages load only in the minor version they were built for.
check_native_python() {
  local version
  version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=missing
  [[ $version == "$NATIVE_PYTHON_VERSION" ]] \
    || fail "the images have Python $NATIVE_PYTHON_VERSION, $1 is $version" "install Python $NATIVE_PYTHON_VERSION on this machine, or name its path: make native-environment PYTHON=/path/to/python$NATIVE_PYTHON_VERSION"
}

# check_native_folder FOLDER: refuses a folder that holds something else, or an environment of another Python.
check_native_folder() {
  local folder=$1 version
  [[ -e $folder ]] || return 0
  if [[ -d $folder && -z "$(ls --almost-all -- "$folder")" ]]; then return 0; fi
  version=$(sed -n 's/^version\(_info\)\? *= *\([0-9]*\.[0-9]*\).*/\2/p' "$folder/pyvenv.cfg" 2>/dev/null | head -n 1) || true
  [[ -n $version ]] || fail "FOLDER=$folder is not a Python environment" "name an empty or new folder: make native-environment FOLDER=path"
  [[ $version == "$NATIVE_PYTHON_VERSION" ]] \
    || fail "FOLDER=$folder is an environment of Python $version, the images have $NATIVE_PYTHON_VERSION" "remove it, or name another folder: make native-environment FOLDER=path"
}

# install_native FOLDER PYTHON: installs all packages, after an interrupted run again from uv's downloads. They are readable
# for everybody, because the containers run as another user.
install_native() {
  local folder=$1 python=$2 uv="$TOOLS_ENVIRONMENT/bin/uv"
  if [[ ! -e "$folder/pyvenv.cfg" ]]; then
    "$uv" venv --no-config --no-python-downloads --python "$python" --allow-existing "$folder" || return 1
  fi
  UV_NO_BUILD=1 UV_BUILD_CONSTRAINT=$NATIVE_LOCK PYC_INVALIDATION_MODE=UNCHECKED_HASH \
    "$uv" pip sync --no-config --python "$folder/bin/python" --require-hashes --reinstall --compile-bytecode "$NATIVE_LOCK" \
    && chmod --recursive a+rX -- "$folder"
}

# check_native_libraries FOLDER: the libraries load, and torch prints the GPUs it finds.
check_native_libraries() {
  VARIANT=cuda "$1/bin/python" -B "$PROJECT_FOLDER/docker/build-tools/import_modules.py" \
    torch torchaudio ctranslate2 faster_whisper transformers librosa pyannote.audio whisperx \
    && "$1/bin/python" -B -c 'import torch; print(f"torch {torch.__version__}, CUDA {torch.version.cuda}, GPUs {torch.cuda.device_count()}")'
}
