# Films: copies them to the stack's machine, subtitles them, and prints where the results are.
# shellcheck shell=bash

# import_film FILM FOLDER: copies a film into the folder on the stack's machine, unless it is there; prints its name.
import_film() {
  local film=$1 folder=$2 name
  name=$(basename -- "$film")
  if [[ -z $STACK_HOST ]]; then copy_film "$film" "$folder" "$name"; else send_film "$film" "$folder" "$name"; fi
  printf '%s' "$name"
}

# copy_film FILM FOLDER NAME: copies it to a folder on this machine.
copy_film() {
  local film=$1 folder=$2 name=$3 temporary
  if [[ ! -e "$folder/$name" ]]; then
    temporary=$(mktemp -- "$folder/.incoming.XXXXXX")
    if ! cp --reflink=auto -- "$film" "$temporary"; then
      rm -f -- "$temporary"
      fail "$film could not be copied to $folder" "see the message above; df $folder shows how full the disk is"
    fi
    chmod 644 -- "$temporary"
    mv -- "$temporary" "$folder/$name"
  elif ! cmp --silent -- "$film" "$folder/$name"; then
    refuse_other_film "$film" "$folder/$name"
  fi
}

# send_film FILM FOLDER NAME: copies it to a folder on another machine, by ssh.
send_film() {
  local film=$1 folder=$2 name=$3 there bytes place
  place=$(address_of "$folder")
  # shellcheck disable=SC2016 # the other machine's shell replaces $1
  there=$(on_host 'if test -e "$1"; then sha256sum <"$1"; fi' "$folder/$name" </dev/null) \
    || fail "$STACK_HOST could not be asked for the film" "see the message above; ssh $STACK_HOST must connect without a prompt"
  if [[ -z $there ]]; then
    say "copying $name to $place"
    bytes=$(stat --dereference --format %s -- "$film")
    on_host "$RECEIVE_FILM" "$folder" "$name" "$bytes" <"$film" \
      || fail "$film could not be copied to $place" "see the message above; the user of ssh $STACK_HOST needs write permission there (chown), and the disk needs space (df $folder)"
  elif [[ $there != "$(sha256sum <"$film")" ]]; then
    refuse_other_film "$film" "$place/$name"
  fi
}

# RECEIVE_FILM FOLDER NAME BYTES: reads the film from standard input; BYTES detects a broken connection.
# shellcheck disable=SC2016 # the other machine's shell replaces all of it
RECEIVE_FILM='
temporary=$(mktemp -- "$1/.incoming.XXXXXX") || exit
if cat >"$temporary" && test "$(wc -c <"$temporary")" -eq "$3" && chmod 644 "$temporary" && mv -- "$temporary" "$1/$2"; then exit; fi
rm -f -- "$temporary"
exit 1
'

refuse_other_film() {
  fail "$2 is a different film of the same name" "rename $1, or remove the other one"
}

# subtitle NAME OUT: submits a film and shows the progress until the job ends; paths below OUT are printed as this machine
# reaches them. A finished film is not processed again.
subtitle() {
  local name=$1 out
  out=$(address_of "$2")
  on_engine docker exec "cp-whisperx-$STACK_NAME-demux" python -m cp_whisperx submit "/films/in/$name" --wait 2>&1 \
    | sed --unbuffered "s|/films/out|${out//|/\\|}|g" \
    || fail "the film $name was not subtitled" "see the message above; a stage's log: $(docker_command) logs cp-whisperx-$STACK_NAME-STAGE"
}
