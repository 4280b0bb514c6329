# Films: into the folder the containers read, through the stages, and where the results lie.
# shellcheck shell=bash

# bring_in FILM FOLDER: copies a film into the folder, unless it lies there already; prints its name there.
bring_in() {
  local film=$1 folder=$2 name temporary
  name=$(basename -- "$film")
  if [[ ! -e "$folder/$name" ]]; then
    temporary=$(mktemp -- "$folder/.incoming.XXXXXX")
    if ! cp --reflink=auto -- "$film" "$temporary"; then
      rm -f -- "$temporary"
      fail "$film could not be copied to $folder" "see the message above; df $folder shows how full the disk is"
    fi
    chmod 644 -- "$temporary"
    mv -- "$temporary" "$folder/$name"
  elif ! cmp --silent -- "$film" "$folder/$name"; then
    fail "$folder/$name is another film of that name" "rename $film, or take the other one away"
  fi
  printf '%s' "$name"
}

# subtitle NAME OUT: submits a film of the folder and shows the progress until the job ends; the paths are those of this host.
# A film that was done is not done again.
subtitle() {
  local name=$1 out=$2
  docker exec "cp-whisperx-$STACK_NAME-demux" python -m cp_whisperx submit "/films/in/$name" --wait 2>&1 \
    | sed --unbuffered "s|/films/out|${out//|/\\|}|g" \
    || fail "the film $name was not subtitled" "see the message above; the log of a stage: docker logs cp-whisperx-$STACK_NAME-STAGE"
}
