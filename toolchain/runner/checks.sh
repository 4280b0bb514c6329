# The commands of the test steps. Each test suite writes its report to $REPORT.
# shellcheck shell=bash

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

run_mypy() { (cd docker && "$DEVELOPMENT_ENVIRONMENT/bin/mypy" . ../toolchain/*.py ../test/hosts/*.py ../samples/quality/*.py); }

# run_pytest ENVIRONMENT FOLDER FILE...: the tests in these files and folders below FOLDER.
run_pytest() {
  local environment=$1 folder=$2
  shift 2
  (cd "$folder" && "$environment/bin/python" -m pytest -c "$PROJECT_FOLDER/docker/pyproject.toml" --rootdir "$PWD" \
    --hypothesis-profile ci -o cache_dir="$REPORT.cache" --quiet --junitxml "$REPORT" "$@")
}

# run_development_pytest FOLDER: in three processes, because many tests wait for other processes.
run_development_pytest() { run_pytest "$DEVELOPMENT_ENVIRONMENT" "$1" --numprocesses 3 --dist loadfile .; }

# run_torch_tests: the tests that all other runs skip because torch is missing.
run_torch_tests() {
  local files
  mapfile -t files < <(cd docker && git grep --untracked --files-with-matches --fixed-strings 'importorskip("torch"' -- '*/test_*.py')
  run_pytest "$TORCH_ENVIRONMENT" docker -rs "${files[@]}"
}

# run_go_tests PART PACKAGES [TAGS]: with the build flags of make up, to use its cache. Without go vet, which would analyse all
# dependencies for minutes.
run_go_tests() {
  CGO_ENABLED=0 GOFLAGS='' go test -C "$TOOLCHAIN_FOLDER/go/$1" -mod=readonly -trimpath -ldflags "-s -w" -tags "${3:-}" -vet=off -json "$2" \
    | tee "$REPORT" | python3 "$TOOLCHAIN_FOLDER/results.py" go-output
}

run_vitest() { NO_COLOR=1 npx --no-install vitest run "$@" --reporter="$TOOLCHAIN_FOLDER/runner/vitest-reporter.mjs"; }

run_unit_tests() { run_vitest --reporter=default; }

# These tests take long: each prints when it has ended.
run_stack_tests() { run_vitest --config test/stack/vitest.config.mts --reporter=verbose; }

run_hosts_tests() {
  with_tool_lock ensure_second_machine
  run_vitest --config test/hosts/vitest.config.mts --reporter=verbose
}

run_node_tests() {
  node --test --test-reporter=tap --test-reporter-destination="$REPORT" --test-reporter=spec --test-reporter-destination=stdout \
    toolchain/language-nodejs/*.test.cjs
}

# ensure_programs: reads lines of PROGRAM PACKAGE and installs the Debian packages of missing programs.
ensure_programs() {
  local program package
  while read -r program package; do
    command -v "$program" >/dev/null || install_packages "$program" "$package" </dev/null
  done
}

# ensure_tested_programs: the tests of the stages run the same Debian programs that the images contain.
ensure_tested_programs() {
  ensure_programs <<<$'ffmpeg ffmpeg\nredis-server redis-server'
}

# ensure_second_machine: the programs that create a machine in namespaces and reach it.
ensure_second_machine() {
  ensure_programs <<<$'ip iproute2\nunshare util-linux\nssh openssh-client\nopenssl openssl\ncurl curl'
}
