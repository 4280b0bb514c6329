# Files are written atomically.
# shellcheck shell=bash

# write_file FILE MODE: writes standard input to a temporary file, then renames it.
write_file() {
  local file=$1 mode=$2 temporary
  mkdir -p -- "$(dirname -- "$file")"
  temporary=$(mktemp -- "$file.new.XXXXXX")
  cat >"$temporary"
  chmod -- "$mode" "$temporary"
  mv -f -- "$temporary" "$file"
}

# download ADDRESS FILE SHA256: downloads a file with three retries; leaves no file if the checksum is wrong.
download() {
  local address=$1 file=$2 checksum=$3
  curl --fail --silent --show-error --location --retry 3 --connect-timeout 10 --output "$file.part" "$address" || return 1
  if ! sha256sum --check --status <<<"$checksum  $file.part"; then
    say "$address: its checksum is $(sha256sum <"$file.part" | cut --delimiter=' ' --fields=1), expected $checksum"
    rm -f -- "$file.part"
    return 1
  fi
  mv -f -- "$file.part" "$file"
}

# download_listed LIST ADDRESS FILE: downloads a file and verifies it with the publisher's checksum list at LIST.
# Each line of the list is a checksum and a file name; the file's name is the last part of ADDRESS.
download_listed() {
  local list=$1 address=$2 file=$3 checksum
  checksum=$(curl --fail --silent --show-error --location --retry 3 --connect-timeout 10 "$list" \
    | awk -v name="${address##*/}" '$2 == name || $2 == "*" name { print $1 }') || return 1
  [[ -n $checksum ]] || { say "$list does not name ${address##*/}"; return 1; }
  download "$address" "$file" "$checksum"
}

# check_space FOLDER GIBIBYTES: fails if less is free.
check_space() {
  local folder=$1 needed=$2 free
  free=$(df --output=avail --block-size=1M -- "$folder" | tail -n 1)
  ((free >= needed * 1024)) \
    || fail "$folder has $((free)) MiB free, $needed GiB are needed" "free some space (docker system df and docker buildx du --builder $BUILDER_NAME show what uses it), or set CP_WHISPERX_HOME to a folder on a larger disk"
}
