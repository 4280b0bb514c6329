# Python programs: the few the toolchain runs itself, the environment that checks and tests all Python of the project, and
# the one for the tests that need torch. All are installed from locks with hashes.
# shellcheck shell=bash

TOOLS_ENVIRONMENT="$CP_WHISPERX_HOME/python/tools"
DEVELOPMENT_ENVIRONMENT="$CP_WHISPERX_HOME/python/development"
TORCH_ENVIRONMENT="$CP_WHISPERX_HOME/python/torch"
TORCH_TESTS_LOCK="$PROJECT_FOLDER/docker/torch-tests.lock"

# ensure_python_tools: returns with uv, hadolint, shellcheck, and the environment of docker/development.lock.
ensure_python_tools() {
  ensure_environment "$TOOLS_ENVIRONMENT" "$TOOLCHAIN_FOLDER/python-tools.lock" install_tools
  ensure_environment "$DEVELOPMENT_ENVIRONMENT" "$PROJECT_FOLDER/docker/development.lock" install_development
}

# ensure_environment FOLDER LOCK INSTALL: calls INSTALL FOLDER LOCK unless the folder was installed from this lock.
ensure_environment() {
  local folder=$1 lock=$2 install=$3 name hash
  name="python-$(basename -- "$folder")" hash=$(hash_of "$lock")
  if [[ -x "$folder/bin/python" ]] && is_stamped "$name" "$hash"; then return; fi
  check_python
  step "$name" "$install" "$folder" "$lock" \
    || fail "the Python tools of $lock could not be installed" "read $LOG_FOLDER/$name.log and run the command again"
  stamp "$name" "$hash"
}

install_tools() {
  rm -rf -- "$1" \
    && python3 -m venv -- "$1" \
    && "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement "$2"
}

install_development() {
  rm -rf -- "$1" \
    && "$TOOLS_ENVIRONMENT/bin/uv" venv --quiet --no-python-downloads --python "$(command -v python3)" "$1" \
    && "$TOOLS_ENVIRONMENT/bin/uv" pip sync --quiet --python "$1/bin/python" --require-hashes "$2"
}

# ensure_torch_environment: returns with the packages of the CUDA images, as stack native's environment has them, and pytest.
ensure_torch_environment() {
  local hash
  hash=$(hash_of "$NATIVE_LOCK" "$TORCH_TESTS_LOCK")
  if [[ -x "$TORCH_ENVIRONMENT/bin/python" ]] && is_stamped python-torch "$hash"; then return; fi
  check_python
  mkdir -p -- "$TORCH_ENVIRONMENT"
  check_space "$TORCH_ENVIRONMENT" "$NATIVE_SPACE"
  ensure_environment "$TOOLS_ENVIRONMENT" "$TOOLCHAIN_FOLDER/python-tools.lock" install_tools
  step python-torch install_torch "$TORCH_ENVIRONMENT" \
    || fail "the packages of $NATIVE_LOCK and $TORCH_TESTS_LOCK could not be installed" "read $LOG_FOLDER/python-torch.log and run the command again; downloads are kept"
  stamp python-torch "$hash"
}

install_torch() {
  install_native "$1" "$(command -v python3)" \
    && "$TOOLS_ENVIRONMENT/bin/uv" pip install --no-config --no-deps --python "$1/bin/python" --require-hashes --requirement "$TORCH_TESTS_LOCK"
}

check_python() {
  local version
  version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=missing
  [[ $version == 3.11 ]] || fail "Python 3.11 is needed, python3 is $version" "install Python 3.11 and put its python3 first on the PATH"
}
