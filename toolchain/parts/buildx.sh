# The client that manages BuildKit builders, a plugin of the docker command.
# shellcheck shell=bash

# The oldest buildx that supports the options we use.
BUILDX_MINIMUM_VERSION=0.13.0

# ensure_buildx: keeps an installed buildx that is new enough.
ensure_buildx() {
  local target="${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-buildx"
  if [[ ! -e "$STAMP_FOLDER/docker-buildx" || ! -x $target ]]; then
    at_least "$(docker buildx version 2>/dev/null | awk '{ print $2 }')" "$BUILDX_MINIMUM_VERSION" && return
  fi
  if [[ ! -x $target ]] && use_official buildx https://github.com/docker/buildx/releases; then
    install_official_buildx "$target"
    return
  fi
  build_go_program docker-build github.com/docker/buildx/cmd/buildx "$target" \
    "-X github.com/docker/buildx/version.Version=v$BUILDX_VERSION"
}

# install_official_buildx TARGET: Docker's own package where its repository is set up, otherwise the release's own program.
install_official_buildx() {
  local target=$1 architecture release="https://github.com/docker/buildx/releases/download/v$BUILDX_VERSION"
  if ((EUID == 0)) && apt-cache show docker-buildx-plugin >/dev/null 2>&1; then
    install_packages buildx docker-buildx-plugin
    return
  fi
  case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) fail "buildx has no release for $(uname -m)" "install docker buildx by hand" ;;
  esac
  mkdir -p -- "$(dirname -- "$target")"
  download_listed "$release/checksums.txt" "$release/buildx-v$BUILDX_VERSION.linux-$architecture" "$target" \
    || fail "buildx could not be downloaded" "try again, or set TOOLCHAIN_SOURCE=packages to build it from its Go module"
  chmod 755 "$target"
}
