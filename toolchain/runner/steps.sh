# The steps of a test run: each runs to its end with its own log, then prints its result and the remaining steps.
# shellcheck shell=bash

RESULTS_FOLDER="$PROJECT_FOLDER/build/test-results"
STEPS=() ROWS=() FAILURES=()
PASSED=0 FAILED=0 SKIPPED=0
# How long each step took when it last passed: seconds, tab, name.
SECONDS_FILE="$RUN_FOLDER/test-seconds"

# plan FORMAT NAME COMMAND WORD...: one more step. The formats are those of results.py; a suite writes its report to $REPORT.
plan() {
  STEPS+=("$1|$2|${*:3}")
}

# run_steps EXTENT: runs the planned steps, with logs and reports in the folder of that extent, which is emptied first. A step of
# format none prepares the others: if it fails, they do not run.
run_steps() {
  local folder="$RESULTS_FOLDER/$1" number form name words
  rm -rf -- "$folder"
  mkdir -p -- "$folder"
  for number in "${!STEPS[@]}"; do
    IFS='|' read -r form name words <<<"${STEPS[number]}"
    read -ra words <<<"$words"
    say "step $((number + 1)) of ${#STEPS[@]}: $name$(last_time "$name")"
    run_step "$folder/${name// /-}" "$form" "$name" "${words[@]}"
    if [[ $form == none ]] && ((FAILED > 0)); then break; fi
    say_remaining_steps "$((number + 1))"
  done
}

# run_step FILES FORMAT NAME COMMAND WORD...: runs and counts a step, with the files FILES.log and FILES.report.
run_step() {
  local files=$1 form=$2 name=$3 started=$SECONDS seconds passed failed skipped failures
  shift 3
  export REPORT="$files.report"
  run_in_group "$name" "$files.log" "$@"
  seconds=$((SECONDS - started))
  {
    read -r passed failed skipped
    mapfile -t failures
  } < <(python3 "$TOOLCHAIN_FOLDER/results.py" read "$form" "$REPORT" "$GROUP_STATUS")
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
  ROWS+=("$(printf '%-32s %6s %7d %7d %7d' "$name" "$(clock "$seconds")" "$passed" "$failed" "$skipped")")
  say "$name: $passed passed, $failed failed, $skipped skipped in $(clock "$seconds")"
  if ((failed > 0)); then add_failures "$name" "$files.log" "${failures[@]}"; else remember_seconds "$name" "$seconds"; fi
}

# add_failures NAME LOG FAILURE...: prints them now and again at the end. A step without a report shows the end of its log.
add_failures() {
  local name=$1 log=$2 text
  shift 2
  text=$(
    printf '%s failed, its log is %s\n' "$name" "${log#"$PWD"/}"
    printf '    %s\n' "$@"
    [[ -e $REPORT ]] || log_tail "$log" 2>&1
  )
  FAILURES+=("$text")
  printf '%s\n' "$text" >&2
}

seconds_of() {
  awk -F '\t' -v name="$1" '$2 == name { print $1 }' "$SECONDS_FILE" 2>/dev/null || true
}

last_time() {
  local seconds
  seconds=$(seconds_of "$1")
  [[ -z $seconds ]] || printf ' (%s last time)' "$(clock "$seconds")"
}

# remember_seconds NAME SECONDS
remember_seconds() {
  {
    awk -F '\t' -v name="$1" '$2 != name' "$SECONDS_FILE" 2>/dev/null || true
    printf '%d\t%s\n' "$2" "$1"
  } | write_file "$SECONDS_FILE" 644
}

# say_remaining_steps DONE: prints the steps after the first DONE ones, and how long they took last time.
say_remaining_steps() {
  local step name names='' seconds=0
  for step in "${STEPS[@]:$1}"; do
    IFS='|' read -r _ name _ <<<"$step"
    names+="; $name"
    seconds=$((seconds + $(seconds_of "$name") + 0))
  done
  [[ -n $names ]] || return 0
  say "$((${#STEPS[@]} - $1)) to go$( ((seconds == 0)) || printf ', about %s' "$(clock "$seconds")"): ${names#; }"
}

# sum_up: prints a table of the steps, all failures, and the totals as the last line.
sum_up() {
  {
    printf '\n%-32s %6s %7s %7s %7s\n' step time passed failed skipped
    printf '%s\n' "${ROWS[@]}" ''
    if ((FAILED > 0)); then printf '%s\n' "${FAILURES[@]}" ''; fi
  } >&2
  say "the run took $(clock "$SECONDS")"
  printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
  ((FAILED == 0))
}
