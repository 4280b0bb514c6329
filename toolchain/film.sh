#!/usr/bin/env bash
# make film FILM=path: subtitles one film with the deployed stack.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

check_film() {
  local film=$1
  [[ -n $film ]] || fail "FILM is not set" "make film FILM=path/to/film.mp4"
  [[ -e $film ]] || fail "FILM=$film: there is no such file" "name a film that exists, in quotes if its name has spaces: make film FILM='my film.mp4'"
  [[ -f $film ]] || fail "FILM=$film is not a file" "name a film, not a folder"
  [[ -r $film ]] || fail "FILM=$film cannot be read" "chmod u+r '$film', or run the command as its owner"
  [[ -s $film ]] || fail "FILM=$film is empty" "copy or download it again"
}

main() {
  local film=${FILM_PATH:-} lost name
  check_film "$film"
  reach_stack
  lost=$(lost_services "$OUTPUTS")
  [[ -z $lost ]] || fail "these services are not running: ${lost//$'\n'/, }" "make up STACK=$STACK_NAME"
  name=$(import_film "$film" "$(json_value films in <<<"$OUTPUTS")")
  say "subtitling $name"
  subtitle "$name" "$(json_value films out <<<"$OUTPUTS")"
}

main
