#!/usr/bin/env bash
# make check, make test, make test-torch: every check and test, each to its end, and one line that adds them up.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"

RESULTS_FOLDER="$PROJECT_FOLDER/build/test-results"
PASSED=0 FAILED=0 SKIPPED=0 FAILURES=()

# check NAME COMMAND...: a check that either holds or does not.
check() {
  local name=$1
  shift
  say "$name"
  if "$@"; then add "$name" 0 1 0 0; else add "$name" "$?" 0 1 0; fi
}

# suite NAME FORMAT REPORT COMMAND...: a test run that writes a report; count_tests.py knows the formats.
suite() {
  local name=$1 form=$2 report=$3 status=0 passed failed skipped
  shift 3
  rm -f -- "$report"
  say "$name"
  "$@" || status=$?
  read -r passed failed skipped <<<"$(python3 "$TOOLCHAIN_FOLDER/count_tests.py" "$form" "$report")"
  add "$name" "$status" "$passed" "$failed" "$skipped"
}

# add NAME STATUS PASSED FAILED SKIPPED: a run that failed without a failed test, or that ran none, is one failure.
add() {
  local name=$1 status=$2 passed=$3 failed=$4 skipped=$5
  if ((failed == 0 && (status != 0 || passed + skipped == 0))); then failed=1; fi
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
  if ((failed > 0)); then FAILURES+=("$name"); fi
  say "$name: $passed passed, $failed failed, $skipped skipped"
}

shell_files() { git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run; }

dockerfiles() { git ls-files --cached --others --exclude-standard -- '*Dockerfile'; }

run_shellcheck() { shell_files | xargs -d '\n' "$TOOLS_ENVIRONMENT/bin/shellcheck" --external-sources --source-path=SCRIPTDIR; }

run_hadolint() { dockerfiles | xargs -d '\n' "$TOOLS_ENVIRONMENT/bin/hadolint"; }

run_ruff() {
  local ruff="$DEVELOPMENT_ENVIRONMENT/bin/ruff"
  (cd docker && "$ruff" check . && "$ruff" format --check .) \
    && "$ruff" check toolchain samples test \
    && "$ruff" format --check toolchain samples test
}

run_mypy() { (cd docker && "$DEVELOPMENT_ENVIRONMENT/bin/mypy" . ../toolchain/*.py ../test/hosts/*.py); }

# run_pytest ENVIRONMENT FOLDER REPORT FILE...: the tests in these files and folders below FOLDER.
run_pytest() {
  local environment=$1 folder=$2 report=$3
  shift 3
  (cd "$folder" && "$environment/bin/python" -m pytest -c "$PROJECT_FOLDER/docker/pyproject.toml" --rootdir "$PWD" \
    --hypothesis-profile ci -o cache_dir="$RESULTS_FOLDER/pytest" --quiet --junitxml "$report" "$@")
}

# run_go_tests REPORT PART TAGS PACKAGES: shows what failed; the report has every event.
run_go_tests() {
  local report=$1 part=$2 tags=$3 packages=$4
  CGO_ENABLED=0 GOFLAGS='' go test -C "$TOOLCHAIN_FOLDER/go/$part" -mod=readonly -trimpath -ldflags "-s -w" -tags "$tags" -json "$packages" >"$report" && return
  grep --fixed-strings '"Action":"output"' "$report" | sed 's/.*"Output":"\(.*\)"}/\1/; s/\\n$//; s/\\t/\t/g' >&2
  return 1
}

run_vitest() {
  local report=$1
  shift
  npx --no-install vitest run "$@" --reporter=default --reporter=json --outputFile.json="$report"
}

run_node_tests() {
  local report=$1
  node --test --test-reporter=tap --test-reporter-destination="$report" --test-reporter=spec --test-reporter-destination=stdout \
    toolchain/language-nodejs/
}

# ensure_programs: reads lines of a program and the Debian package that has it, and installs what is missing.
ensure_programs() {
  local program package
  while read -r program package; do
    command -v "$program" >/dev/null || install_packages "$program" "$package" </dev/null
  done
}

# ensure_tested_programs: the tests of the stages run the same programs from Debian's packages that the images hold.
ensure_tested_programs() {
  ensure_programs <<<$'ffmpeg ffmpeg\nredis-server redis-server'
}

# ensure_second_machine: what makes a machine of namespaces, and reaches it.
ensure_second_machine() {
  ensure_programs <<<$'ip iproute2\nunshare util-linux\nssh openssh-client\nopenssl openssl\ncurl curl'
}

# without_engine: everything that needs neither an engine nor a registry.
without_engine() {
  check "types" npx --no-install tsc --noEmit
  check "lint of TypeScript" npx --no-install eslint . --max-warnings 0
  check "lint of shell" run_shellcheck
  check "lint of Dockerfiles" run_hadolint
  check "lint of Python" run_ruff
  check "types of Python" run_mypy
  suite "unit tests" vitest "$RESULTS_FOLDER/unit.json" run_vitest "$RESULTS_FOLDER/unit.json"
  suite "tests of the stages" junit "$RESULTS_FOLDER/stages.xml" run_pytest "$DEVELOPMENT_ENVIRONMENT" docker "$RESULTS_FOLDER/stages.xml" .
  suite "tests of the toolchain" junit "$RESULTS_FOLDER/toolchain.xml" run_pytest "$DEVELOPMENT_ENVIRONMENT" toolchain/test "$RESULTS_FOLDER/toolchain.xml" .
  suite "tests of the language host" tap "$RESULTS_FOLDER/language-host.tap" run_node_tests "$RESULTS_FOLDER/language-host.tap"
  if command -v go >/dev/null; then
    suite "tests of the command provider" go "$RESULTS_FOLDER/command.json" run_go_tests "$RESULTS_FOLDER/command.json" command "" ./...
    suite "tests of the docker provider" go "$RESULTS_FOLDER/docker.json" run_go_tests "$RESULTS_FOLDER/docker.json" docker no_compose ./schema
  fi
}

# with_engine: the whole stack; its setup runs make up, which brings the engine. Then a stack on an engine in namespaces of
# its own, which takes its builds from the first one's cache.
with_engine() {
  suite "whole-stack tests" vitest "$RESULTS_FOLDER/stack.json" run_vitest "$RESULTS_FOLDER/stack.json" --config test/stack/vitest.config.mts
  # A machine needs namespaces, which only root may make.
  if ((EUID == 0)); then
    with_tool_lock ensure_second_machine
    suite "tests on another machine" vitest "$RESULTS_FOLDER/hosts.json" run_vitest "$RESULTS_FOLDER/hosts.json" --config test/hosts/vitest.config.mts
  else
    say "tests on another machine: left out, they need root"
  fi
}

# with_torch: the tests that all other runs skip for want of torch. One that is skipped here as well is run nowhere.
with_torch() {
  local files
  mapfile -t files < <(cd docker && git grep --untracked --files-with-matches --fixed-strings 'importorskip("torch"' -- '*/test_*.py')
  suite "tests with torch" junit "$RESULTS_FOLDER/torch.xml" \
    run_pytest "$TORCH_ENVIRONMENT" docker "$RESULTS_FOLDER/torch.xml" -rs "${files[@]}"
  if ((SKIPPED > 0)); then
    FAILED=$((FAILED + SKIPPED)) SKIPPED=0 FAILURES+=("tests with torch that were skipped")
  fi
}

# without_torch EXTENT: all other checks and tests, or (check) those that need no engine.
without_torch() {
  local extent=$1
  export_pulumi_environment
  ensure_node_modules
  ensure_python_tools
  with_tool_lock ensure_tested_programs
  # The tests of the Go modules and the whole stack share the tools' build cache: building comes first.
  if [[ $extent == all ]]; then with_tool_lock ensure_tools; fi
  without_engine
  if [[ $extent == all ]]; then with_engine; fi
}

main() {
  local extent=$1
  cd -- "$PROJECT_FOLDER"
  mkdir -p "$RESULTS_FOLDER"
  if [[ $extent == torch ]]; then
    with_tool_lock ensure_torch_environment
    with_torch
  else
    without_torch "$extent"
  fi
  if ((FAILED > 0)); then say "failed: $(printf '%s; ' "${FAILURES[@]}")"; fi
  printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
  ((FAILED == 0))
}

main "${1:-all}"
