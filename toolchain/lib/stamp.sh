# Stamps record what was built from which files, so that nothing is built twice.
# shellcheck shell=bash

# hash_of WORD...: one hash over the content of the given files and over every word that is not a file.
hash_of() {
  local word
  for word in "$@"; do
    if [[ -f $word ]]; then sha256sum <"$word"; else printf '%s\n' "$word"; fi
  done | sha256sum | cut --delimiter=' ' --fields=1
}

# is_stamped NAME HASH: true if the stamp of that name holds the hash.
is_stamped() {
  [[ -f "$STAMP_FOLDER/$1" && "$(<"$STAMP_FOLDER/$1")" == "$2" ]]
}

# stamp NAME HASH: records the hash.
stamp() {
  write_file "$STAMP_FOLDER/$1" 644 <<<"$2"
}
