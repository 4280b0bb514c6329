# Packages of the distribution.
# shellcheck shell=bash

# install_packages PART PACKAGE...: updates the package lists, then installs Debian packages.
install_packages() {
  local part=$1
  shift
  command -v apt-get >/dev/null \
    || fail "$part is missing and this machine has no apt-get to install $* with" "install $part by hand and run the command again"
  ((EUID == 0)) || fail "$part is missing and installing $* needs root" "run the command as root, or install $* by hand"
  step "$part-packages" apt_install "$@" \
    || fail "apt-get could not install $*" "read $LOG_FOLDER/$part-packages.log and run the command again"
}

# apt_install PACKAGE...: the two apt-get calls; waits for another apt-get.
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout="$PATIENCE" update \
    && apt-get -o DPkg::Lock::Timeout="$PATIENCE" -o Acquire::Retries=3 install --yes --no-install-recommends "$@"
}
