# Programs built from Go modules, each pinned by the go.mod and go.sum of a folder below toolchain/go.
# shellcheck shell=bash

# build_go_program PART PACKAGE TARGET LINKER_FLAGS [TAGS]: builds one program of toolchain/go/PART to the file TARGET.
# Does nothing if TARGET was built from the same files with the same flags.
build_go_program() {
  local folder="$TOOLCHAIN_FOLDER/go/$1" package=$2 target=$3 flags=$4 tags=${5:-} name hash
  name=$(basename -- "$target")
  hash=$(go_sources_hash "$folder" "$package $flags $tags")
  if [[ -x $target ]] && is_stamped "$name" "$hash"; then return; fi
  check_go
  step "build-$name" compile "$folder" "$package" "$target" "$flags" "$tags" \
    || fail "$name could not be built" "read $LOG_FOLDER/build-$name.log; after a failed download run the command again"
  stamp "$name" "$hash"
}

# go_sources_hash FOLDER SETTINGS: hashes all files of a module and its build settings.
go_sources_hash() {
  local files
  mapfile -t files < <(find "$1" -type f ! -name '*_test.go' | sort)
  hash_of "${files[@]}" "$2"
}

# compile FOLDER PACKAGE TARGET LINKER_FLAGS TAGS: builds a stripped program that contains no path of this machine.
compile() {
  local folder=$1 package=$2 target=$3 flags=$4 tags=$5
  mkdir -p -- "$(dirname -- "$target")" \
    && CGO_ENABLED=0 GOFLAGS='' go build -C "$folder" -mod=readonly -trimpath -buildvcs=false -tags "$tags" \
      -ldflags "-s -w $flags" -o "$target.new" "$package" \
    && mv -f -- "$target.new" "$target"
}

check_go() {
  command -v go >/dev/null \
    || fail "Go is missing, and this machine cannot reach the official downloads" "install Go 1.26 or newer and put it on the PATH"
}
