"""Services started by hand: once, again, after they were killed, and when they cannot start."""

import os
import signal
import time
from pathlib import Path

import pytest

from shell import Shell

SERVICE = """
answers_now() { [[ -e $HOME/answers ]] && runs_as "$(<"$HOME/answers")" bash; }
start() { start_service demo answers_now /bin/bash -c 'echo $$ >"$HOME/answers"; while :; do /bin/sleep 0.1; done'; }
"""


def is_alive(process: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def started(shell: Shell) -> int:
    """Starts the service and gives its process."""
    result = shell.run(SERVICE + "start")
    assert result.returncode == 0, result.stderr
    return int((shell.home / "run" / "demo.pid").read_text())


def end(process: int) -> None:
    """Ends a process as a crash or a power cut would."""
    os.kill(process, signal.SIGKILL)
    while is_alive(process):
        time.sleep(0.02)


def test_starting_twice_starts_once(shell: Shell) -> None:
    first = started(shell)
    try:
        assert started(shell) == first
    finally:
        end(first)


def test_a_killed_service_comes_back_although_its_files_remain(shell: Shell) -> None:
    first = started(shell)
    end(first)
    assert (shell.home / "run" / "demo.pid").exists()
    second = started(shell)
    try:
        assert second != first
        assert is_alive(second)
    finally:
        end(second)


def test_a_pid_file_that_names_another_program_is_stale(shell: Shell) -> None:
    (shell.home / "run").mkdir(parents=True)
    (shell.home / "run" / "demo.pid").write_text(f"{os.getpid()}\n")
    process = started(shell)
    try:
        assert process != os.getpid()
    finally:
        end(process)


@pytest.mark.parametrize("content", ["", "no number", "4194399"])
def test_a_broken_pid_file_is_removed(shell: Shell, content: str) -> None:
    file = shell.folder / "service.pid"
    file.write_text(content)
    assert shell.run(f'drop_stale_pid_file "{file}" dockerd').returncode == 0
    assert not file.exists()


def test_a_service_that_ends_at_once_shows_its_log_and_a_way_out(shell: Shell) -> None:
    result = shell.run("start_service demo false /bin/bash -c 'echo the disk is full >&2; exit 3'")
    assert result.returncode == 1
    assert "the disk is full" in result.stderr
    assert "what to do:" in result.stderr


def test_a_service_does_not_keep_the_locks(shell: Shell) -> None:
    result = shell.run(SERVICE + "hold_stack_lock\nstart")
    assert result.returncode == 0, result.stderr
    process = int((shell.home / "run" / "demo.pid").read_text())
    try:
        assert shell.run("hold_stack_lock").returncode == 0
    finally:
        end(process)
