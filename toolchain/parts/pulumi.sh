# The Pulumi command line and the wrapper that puts it on the PATH.
# shellcheck shell=bash

# ensure_pulumi: returns with the pinned version at $BIN_FOLDER/pulumi, or on the PATH if the user installed it.
ensure_pulumi() {
  if [[ "$(pulumi_version)" == "v$PULUMI_VERSION" && ! -e "$STAMP_FOLDER/pulumi" ]]; then
    [[ ! -x "$BIN_FOLDER/pulumi" ]] || ensure_wrapper
    return
  fi
  if [[ ! -e "$STAMP_FOLDER/pulumi" ]] && use_official pulumi https://get.pulumi.com/releases/sdk/; then
    install_official_pulumi
  else
    build_pulumi
  fi
  ensure_wrapper
}

# pulumi_version: the version of ours, otherwise of the one on the PATH, as "v1.2.3"; empty if there is none.
pulumi_version() {
  local program="$BIN_FOLDER/pulumi"
  [[ -x $program ]] || program=$(command -v pulumi) || return 0
  PULUMI_SKIP_UPDATE_CHECK=true "$program" version 2>/dev/null || true
}

# install_official_pulumi: the release for this machine, checked against the release's own list of checksums.
install_official_pulumi() {
  local releases=https://get.pulumi.com/releases/sdk architecture archive folder
  case $(uname -m) in
    x86_64) architecture=x64 ;;
    aarch64) architecture=arm64 ;;
    *) fail "Pulumi has no release for $(uname -m)" "run this on x86_64 or aarch64" ;;
  esac
  archive="$RUN_FOLDER/pulumi.tar.gz" folder="$RUN_FOLDER/pulumi.new"
  say "pulumi: downloading $PULUMI_VERSION"
  download_listed "$releases/pulumi-$PULUMI_VERSION-checksums.txt" \
    "$releases/pulumi-v$PULUMI_VERSION-linux-$architecture.tar.gz" "$archive" \
    || fail "Pulumi could not be downloaded" "try again, or set TOOLCHAIN_SOURCE=packages to build it from its Go module"
  rm -rf -- "$folder"
  mkdir -p -- "$folder"
  tar --extract --gzip --file "$archive" --directory "$folder" --strip-components 1
  mv -f -- "$folder"/* "$BIN_FOLDER/"
  rm -rf -- "$folder" "$archive"
}

# build_pulumi: builds the command line from its Go module and puts our language host next to it, where Pulumi looks first.
build_pulumi() {
  build_go_program pulumi github.com/pulumi/pulumi/pkg/v3/cmd/pulumi "$BIN_FOLDER/pulumi" \
    "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v$PULUMI_VERSION"
  cmp --silent "$TOOLCHAIN_FOLDER/language-nodejs/pulumi-language-nodejs.cjs" "$BIN_FOLDER/pulumi-language-nodejs" \
    || write_file "$BIN_FOLDER/pulumi-language-nodejs" 755 <"$TOOLCHAIN_FOLDER/language-nodejs/pulumi-language-nodejs.cjs"
}

# ensure_wrapper: installs a `pulumi` on the PATH that sets the passphrase, unless the user has their own Pulumi there.
ensure_wrapper() {
  local wrapper=${CP_WHISPERX_WRAPPER:-/usr/local/bin/pulumi} found
  found=$(command -v pulumi || true)
  if [[ -n $found && $found != "$wrapper" && $found != "$BIN_FOLDER/pulumi" ]]; then return; fi
  if [[ -e $wrapper ]]; then
    # It is another home's wrapper, or not ours at all.
    grep --quiet --fixed-strings --line-regexp "$(wrapper_home)" "$wrapper" || return 0
    [[ "$(wrapper_text)" != "$(<"$wrapper")" ]] || return 0
  fi
  if [[ ! -w $(dirname -- "$wrapper") ]]; then
    say "pulumi: $wrapper cannot be written; put $BIN_FOLDER on your PATH and see make env"
    return
  fi
  wrapper_text | write_file "$wrapper" 755
  say "pulumi: $wrapper runs $BIN_FOLDER/pulumi"
}

# wrapper_home: the line that sets the home in our wrapper.
wrapper_home() { printf '%s' "home=\"\${CP_WHISPERX_HOME:-$CP_WHISPERX_HOME}\""; }

wrapper_text() {
  cat <<EOF
#!/bin/sh
# Pulumi of cp-whisperx (make up). Uses its home, its passphrase, unless you set another one, and the salt in the state.
$(wrapper_home)
export CP_WHISPERX_HOME="\$home"
export PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER=true
if [ -z "\${PULUMI_CONFIG_PASSPHRASE+set}\${PULUMI_CONFIG_PASSPHRASE_FILE+set}" ] && [ -r "\$home/passphrase" ]; then
  export PULUMI_CONFIG_PASSPHRASE_FILE="\$home/passphrase"
fi
exec "\$home/bin/pulumi" "\$@"
EOF
}
