"""The test runner: its output, and that it leaves no process behind."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from shell import TOOLCHAIN, Shell
from test_process import is_alive

# All functions of test.sh, with results in a temporary folder.
RUNNER = f"""
source "{TOOLCHAIN}/runner/steps.sh"
source "{TOOLCHAIN}/runner/checks.sh"
{"".join((TOOLCHAIN / "test.sh").read_text().partition("# prepare ")[1:]).rpartition("main ")[0]}
RESULTS_FOLDER="$HOME/results"
"""
JUNIT = """
good() { echo "<testsuite tests='3' failures='0' errors='0' skipped='1'/>" >"$REPORT"; }
bad() {
  echo "<testsuite tests='2' failures='1' errors='0' skipped='0'><testcase classname='film' name='has a sound'>
  <failure message='assert'>E   AssertionError: expected 2 tracks, found 1</failure></testcase></testsuite>" >"$REPORT"
  return 1
}
"""
# A step with a child that outlives it; it records both process ids.
LASTING = """
lasting() {
  sleep 300 &
  echo "$BASHPID $!" >"$HOME/processes.new"
  mv "$HOME/processes.new" "$HOME/processes"
  wait
}
"""


def processes(shell: Shell) -> list[int]:
    """The step's processes, as soon as they run."""
    file = shell.folder / "processes"
    wait_until(file.exists)
    return [int(number) for number in file.read_text().split()]


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits up to ten minutes for a condition."""
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come within 600 s"
        time.sleep(0.05)


def test_every_step_runs_and_the_last_line_adds_them_up(shell: Shell) -> None:
    plan = "plan junit first bad\nplan check second false\nplan junit third good\nrun_steps all\nsum_up"
    result = shell.run(f"{RUNNER}{JUNIT}{plan}")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "3 passed, 2 failed, 1 skipped"
    table = result.stderr.partition("step  ")[2].splitlines()
    assert [row.split()[2:] for row in table[1:4]] == [["1", "1", "0"], ["0", "1", "0"], ["2", "0", "1"]]


def test_failures_are_printed_after_their_step_and_at_the_end(shell: Shell) -> None:
    script = f"{RUNNER}{JUNIT}broken() {{ echo 'line 7: no colon'; return 3; }}\n"
    result = shell.run(script + "plan junit 'my suite' bad\nplan check lint broken\nrun_steps all\nsum_up")
    assert result.stderr.count("my suite failed, its log is") == 2
    assert result.stderr.count("film > has a sound: AssertionError: expected 2 tracks, found 1") == 2
    assert result.stderr.count("expected exit status 0, it was 3") == 2
    assert result.stderr.count("| line 7: no colon") == 2
    assert (shell.folder / "results" / "all" / "lint.log").read_text() == "line 7: no colon\n"


def test_a_step_prints_the_remaining_steps_and_its_last_duration(shell: Shell) -> None:
    script = f"{RUNNER}plan check one true\nplan check 'number two' sleep 1\nplan check three true\nrun_steps all"
    first = shell.run(script).stderr
    assert "step 1 of 3: one\n" in first
    assert "2 to go: number two; three\n" in first
    second = shell.run(script).stderr
    assert "step 2 of 3: number two (0:0" in second
    assert "2 to go, about 0:0" in second


def test_a_failed_step_does_not_change_the_recorded_duration(shell: Shell) -> None:
    shell.run(f"{RUNNER}remember_seconds one 80\nremember_seconds two 5\nplan check one false\nrun_steps all || true")
    assert sorted((shell.home / "run" / "test-seconds").read_text().splitlines()) == ["5\ttwo", "80\tone"]


def test_a_step_without_output_prints_that_it_still_runs(shell: Shell) -> None:
    result = shell.run(f"{RUNNER}QUIET_SECONDS=1\nplan check slow sleep 3\nrun_steps all")
    assert "slow: still running after 0:0" in result.stderr


def test_an_error_in_the_middle_of_a_step_fails_it(shell: Shell) -> None:
    result = shell.run(
        f"{RUNNER}step_of_two() {{ false; echo on; }}\nplan check both step_of_two\nrun_steps all\nsum_up"
    )
    assert result.stdout == "0 passed, 1 failed, 0 skipped\n"


def test_if_the_preparation_fails_nothing_else_runs(shell: Shell) -> None:
    result = shell.run(f'{RUNNER}plan none preparation false\nplan check next touch "$HOME/ran"\nrun_steps all\nsum_up')
    assert result.stdout == "0 passed, 1 failed, 0 skipped\n"
    assert not (shell.folder / "ran").exists()


def test_reports_of_an_earlier_run_do_not_count(shell: Shell) -> None:
    report = shell.folder / "results" / "all" / "suite.report"
    report.parent.mkdir(parents=True)
    report.write_text("<testsuite tests='3' failures='0' errors='0' skipped='0'/>")
    result = shell.run(f"{RUNNER}plan junit suite true\nrun_steps all\nsum_up")
    assert result.stdout == "0 passed, 1 failed, 0 skipped\n"
    assert "expected tests, none ran" in result.stderr


def test_processes_that_a_step_leaves_running_are_ended(shell: Shell) -> None:
    script = f'{RUNNER}stray() {{ sleep 300 & echo "$!" >"$HOME/processes"; }}\nplan check stray stray\nrun_steps all'
    assert shell.run(script).returncode == 0
    assert not any(is_alive(process) for process in processes(shell))


def test_processes_that_do_not_end_are_killed(shell: Shell) -> None:
    child = """(trap '' TERM; echo "$BASHPID" >"$HOME/processes"; while :; do sleep 1; done) &"""
    stubborn = f"stubborn() {{ {child} until [[ -s $HOME/processes ]]; do sleep 0.1; done; }}"
    script = f"{RUNNER}{stubborn}\nGRACE_SECONDS=1\nplan check stubborn stubborn\nrun_steps all"
    assert shell.run(script).returncode == 0
    assert not any(is_alive(process) for process in processes(shell))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_ended_run_ends_its_processes(shell: Shell, number: signal.Signals) -> None:
    script = f"{RUNNER}{LASTING}end_groups_at_exit\nplan check lasting lasting\nrun_steps all"
    with shell.start(script) as runner:
        started = processes(shell)
        assert all(is_alive(process) for process in started)
        os.kill(runner.pid, number)
        assert runner.wait(timeout=600) == (-9 if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not any(is_alive(process) for process in started))


def test_an_ended_run_ends_its_parallel_groups(shell: Shell) -> None:
    with shell.start(f'{RUNNER}{LASTING}end_groups_at_exit\nstart_group "$HOME/log" lasting\nwait') as runner:
        started = processes(shell)
        runner.terminate()
        assert runner.wait(timeout=600) == 128 + signal.SIGTERM
    assert not any(is_alive(process) for process in started)


def test_a_second_run_reports_that_the_first_is_running(shell: Shell) -> None:
    with shell.start(
        f"{RUNNER}{LASTING}hold_test_lock all\nend_groups_at_exit\nplan check lasting lasting\nrun_steps all"
    ) as first:
        started = processes(shell)
        second = shell.run(f"{RUNNER}hold_test_lock all")
        assert second.returncode == 1
        assert "these tests are already running (process " in second.stderr
        assert shell.run(f"{RUNNER}hold_test_lock check").returncode == 0
        first.terminate()
        first.communicate(timeout=600)
    wait_until(lambda: not any(is_alive(process) for process in started))
    assert shell.run(f"{RUNNER}hold_test_lock all").returncode == 0
