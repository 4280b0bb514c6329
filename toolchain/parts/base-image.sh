# The base image in the local registry: the official one or our substitute, under the same name.
# shellcheck shell=bash

BASE_IMAGE_NAME="$REGISTRY_ADDRESS/$BASE_IMAGE_REPOSITORY:$BASE_IMAGE_TAG"

# ensure_base_image: returns with the image in the registry; does nothing if it is already there.
ensure_base_image() {
  local digest
  digest=$(base_image_digest)
  [[ -z $digest ]] || return 0
  if use_official base-image https://registry-1.docker.io/v2/; then
    mirror_base_image
  else
    make_base_image
  fi
  digest=$(base_image_digest)
  [[ -n $digest ]] || fail "$BASE_IMAGE_NAME is not in the registry although it was pushed" "read $LOG_FOLDER/registry.log"
}

# write_machine_settings: writes this machine's defaults, the registry and its base image. A stack's settings override them.
write_machine_settings() {
  local reference
  reference=$(base_image_reference)
  printf '{ "registry": "%s", "baseImages": { "cpu": "%s" } }\n' "$REGISTRY_ADDRESS" "$reference" | write_file "$CP_WHISPERX_HOME/machine.json" 644
}

# base_image_reference: name@digest, as the setting baseImages expects it.
base_image_reference() {
  local digest
  digest=$(base_image_digest) || return
  printf '%s@%s' "$BASE_IMAGE_NAME" "$digest"
}

# base_image_digest: the digest in the registry; empty if the registry answers 404.
base_image_digest() {
  local headers
  headers=$(patiently "the registry" ask_base_image | tr -d '\r') \
    || fail "the registry on $REGISTRY_ADDRESS does not answer" "read $LOG_FOLDER/registry.log"
  case ${headers%%$'\n'*} in
    *" 404"*) ;;
    *" 200"*) awk 'tolower($1) == "docker-content-digest:" { print $2 }' <<<"$headers" ;;
    *) fail "the registry on $REGISTRY_ADDRESS answers ${headers%%$'\n'*}" "read $LOG_FOLDER/registry.log" ;;
  esac
}

# ask_base_image SECONDS
ask_base_image() {
  timeout "$1" curl --silent --head --noproxy '*' \
    --header 'Accept: application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json' \
    "http://$REGISTRY_ADDRESS/v2/$BASE_IMAGE_REPOSITORY/manifests/$BASE_IMAGE_TAG"
}

# mirror_base_image: copies the official image for all its platforms, so that its digest stays.
mirror_base_image() {
  step base-image docker buildx imagetools create --builder "$BUILDER_NAME" --tag "$BASE_IMAGE_NAME" \
    "docker.io/$BASE_IMAGE_REPOSITORY:$BASE_IMAGE_TAG@$BASE_IMAGE_DIGEST" \
    || fail "the base image could not be copied from docker.io" "read $LOG_FOLDER/base-image.log, or set TOOLCHAIN_SOURCE=packages to make it from Debian packages"
}

# make_base_image: builds the substitute: the same Debian release with its Python 3.11.
make_base_image() {
  command -v mmdebstrap >/dev/null || install_packages mmdebstrap mmdebstrap
  ((EUID == 0)) || fail "building the base image needs root" "run the command as root"
  step base-image build_base_image \
    || fail "the base image could not be built" "read $LOG_FOLDER/base-image.log and run the command again"
}

# build_base_image: with fixed times, so that the same packages give the same digest on every machine.
build_base_image() {
  local context="$RUN_FOLDER/base-image"
  export SOURCE_DATE_EPOCH=0
  rm -rf -- "$context"
  mkdir -p -- "$context" || return 1
  debian_root "$context/root.tar" || return 1
  docker buildx build --builder "$BUILDER_NAME" --progress plain --file "$TOOLCHAIN_FOLDER/base-image/Dockerfile" --provenance=false \
    --output "type=image,name=$BASE_IMAGE_NAME,push=true,rewrite-timestamp=true" "$context" || return 1
  rm -rf -- "$context"
}

# debian_root FILE: a minimal system with Python, without documentation and translations; apt works in it.
# Excludes usrmerge, which depends on all of Perl; usr-is-merged is enough for a new system.
debian_root() {
  # shellcheck disable=SC2016 # mmdebstrap's shell replaces $1 by the new root
  mmdebstrap --variant=minbase --include=ca-certificates,netbase,python3,tzdata,usr-is-merged \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --setup-hook='mkdir -p "$1/etc/apt/preferences.d"' \
    --setup-hook='printf "Package: usrmerge\nPin: release *\nPin-Priority: -1\n" >"$1/etc/apt/preferences.d/usrmerge"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Retries "3"' \
    "$BASE_IMAGE_SUITE" "$1"
}
