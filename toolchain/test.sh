#!/usr/bin/env bash
# make check, make test, make test-torch: run every check and test to its end and print a summary.
source "$(dirname -- "${BASH_SOURCE[0]}")/load.sh"
# shellcheck source=toolchain/runner/steps.sh
source "$TOOLCHAIN_FOLDER/runner/steps.sh"
# shellcheck source=toolchain/runner/checks.sh
source "$TOOLCHAIN_FOLDER/runner/checks.sh"

# prepare EXTENT: installs what the steps need.
prepare() {
  if [[ $1 == torch ]]; then
    with_tool_lock ensure_torch_environment
    return
  fi
  ensure_node_modules
  ensure_python_tools
  with_tool_lock ensure_tested_programs
  # The Go tests and the whole-stack tests use the tools' build cache, so build the tools first.
  if [[ $1 == all ]]; then with_tool_lock ensure_tools; fi
}

# plan_without_engine: everything that needs neither an engine nor a registry.
plan_without_engine() {
  plan check "types" npx --no-install tsc --noEmit
  plan check "lint of TypeScript" npx --no-install eslint . --max-warnings 0
  plan check "lint of shell" run_shellcheck
  plan check "lint of Dockerfiles" run_hadolint
  plan check "lint of Python" run_ruff
  plan check "types of Python" run_mypy
  plan vitest "unit tests" run_unit_tests
  plan junit "tests of the stages" run_development_pytest docker
  plan junit "tests of the toolchain" run_development_pytest toolchain/test
  plan tap "tests of the language host" run_node_tests
  if command -v go >/dev/null; then
    plan go "tests of the command provider" run_go_tests command ./...
    plan go "tests of the docker provider" run_go_tests docker ./schema no_compose
  fi
}

# plan_with_engine: first the whole stack; its setup runs make up, which starts the engine. Then a stack on an engine in its
# own namespaces, which uses the first one's build cache.
plan_with_engine() {
  plan vitest "whole-stack tests" run_stack_tests
  # Only root may create namespaces.
  if ((EUID == 0)); then
    plan vitest "tests on another machine" run_hosts_tests
  else
    say "tests on another machine: skipped, they need root"
  fi
}

# hold_test_lock EXTENT: one run per checkout. All whole-stack runs use the stack named test, so one per machine.
hold_test_lock() {
  local name="tests-$1"
  [[ $1 == all ]] || name+="-$(hash_of "$PROJECT_FOLDER")"
  hold_lock "$name" "these tests are already running"
}

# allow_no_skips: fails if make test-torch skipped a test, because no other run covers it.
allow_no_skips() {
  ((SKIPPED > 0)) || return 0
  FAILURES+=("tests with torch: expected no skipped test, $SKIPPED were skipped")
  FAILED=$((FAILED + SKIPPED)) SKIPPED=0
}

main() {
  local extent=$1
  cd -- "$PROJECT_FOLDER"
  hold_test_lock "$extent"
  export_pulumi_environment
  plan none "preparation" prepare "$extent"
  if [[ $extent == torch ]]; then plan junit "tests with torch" run_torch_tests; else plan_without_engine; fi
  if [[ $extent == all ]]; then plan_with_engine; fi
  end_groups_at_exit
  run_steps "$extent"
  if [[ $extent == torch ]]; then allow_no_skips; fi
  sum_up
}

main "${1:-all}"
