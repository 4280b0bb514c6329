"""Services without a service manager: slow, stopped, killed, without their socket, or replaced by another program."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from shell import Shell

# A daemon like buildkitd: it locks its root folder, then creates its socket.
DAEMON = f"""#!{sys.executable}
import contextlib, fcntl, os, signal, socket, sys, time
folder = sys.argv[1]
lock = open(folder + "/root.lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit("another instance running?")
if os.path.exists(folder + "/stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
address = folder + "/socket"
if os.path.exists(address):
    os.unlink(address)
server = socket.socket(socket.AF_UNIX)
server.bind(address)
server.listen()
silent = os.path.exists(folder + "/silent")
while True:
    client = server.accept()[0]
    if silent:
        time.sleep(3600)
    with contextlib.suppress(OSError):
        client.recv(1000)
        client.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    client.close()
"""
START = """
demo_answers() { timeout "$(($1 / 5))" curl --silent --unix-socket "$HOME/socket" http://localhost/; }
start() { ensure_service demo demo_answers "unix://$HOME/socket" "$HOME/demo" "$HOME"; }
"""


def is_alive(process: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    """Waits until the condition holds; fails after a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def end(process: int) -> None:
    """Kills a process, as a crash would."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: not is_alive(process))


@contextmanager
def continued_after(process: int, seconds: float) -> Iterator[None]:
    """Stops the process and continues it after that time."""
    os.kill(process, signal.SIGSTOP)
    timer = threading.Timer(seconds, os.kill, (process, signal.SIGCONT))
    timer.start()
    yield
    timer.join()


class Service:
    """The daemon, as the toolchain starts it."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.socket = shell, shell.folder / "socket"
        program = shell.folder / "demo"
        program.write_text(DAEMON)
        program.chmod(0o755)

    def start(self, script: str = "start", **environment: str) -> subprocess.CompletedProcess[str]:
        return self.shell.run(START + script, **environment)

    def process(self) -> int:
        """The process that has locked the root folder."""
        found = self.shell.run("service_process demo").stdout
        return int(found or 0)

    def started(self, **environment: str) -> int:
        result = self.start(**environment)
        assert result.returncode == 0, result.stderr
        return self.process()


@pytest.fixture
def service(short_shell: Shell) -> Iterator[Service]:
    made = Service(short_shell)
    yield made
    if process := made.process():
        end(process)


def test_starting_twice_starts_once(service: Service) -> None:
    assert service.started() == service.started() != 0


def test_a_killed_service_comes_back_although_its_files_remain(service: Service) -> None:
    first = service.started()
    end(first)
    assert service.socket.exists()
    assert service.started() not in (0, first)


def test_a_service_that_answers_late_is_waited_for(service: Service) -> None:
    first = service.started()
    with continued_after(first, 2):
        assert service.started() == first
    assert service.socket.exists()


def test_a_stopped_service_is_continued(service: Service) -> None:
    first = service.started()
    os.kill(first, signal.SIGSTOP)
    result = service.start(CP_WHISPERX_PATIENCE="20")
    assert result.returncode == 0, result.stderr
    assert "sending SIGCONT" in result.stderr
    assert service.process() == first


@pytest.mark.parametrize("left", ["nothing", "a socket that leads nowhere"])
@pytest.mark.parametrize("log", ["kept", "deleted"])
def test_a_service_without_its_socket_is_restarted(service: Service, left: str, log: str) -> None:
    first = service.started()
    service.socket.unlink()
    if left != "nothing":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(service.socket))
    if log == "deleted":
        (service.shell.home / "log/demo.log").unlink()
    assert service.started() not in (0, first)
    assert not is_alive(first)


def test_a_service_that_never_answers_is_restarted_even_if_it_ignores_sigterm(service: Service) -> None:
    (service.shell.folder / "silent").touch()
    (service.shell.folder / "stubborn").touch()
    assert service.start(CP_WHISPERX_PATIENCE="1").returncode == 1
    first = service.process()
    assert is_alive(first)
    (service.shell.folder / "silent").unlink()
    assert service.started(CP_WHISPERX_PATIENCE="8") not in (0, first)
    assert not is_alive(first)


def test_another_program_at_the_address_is_named_and_left_alone(service: Service) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(service.socket))
        stranger.listen()
        result = service.start(CP_WHISPERX_PATIENCE="1")
    assert result.returncode == 1
    assert f"(process {os.getpid()}), which is not ours" in result.stderr
    assert service.socket.exists()
    assert service.process() == 0


def test_a_service_is_found_by_its_log_and_not_by_its_name(service: Service) -> None:
    other = subprocess.Popen([service.shell.folder / "demo", service.shell.folder])
    wait_for(service.socket.exists)
    try:
        assert service.process() == 0
    finally:
        end(other.pid)
        other.wait()


@pytest.mark.parametrize("content", ["", "no number", "4194399", "this process"])
def test_a_pid_file_that_names_no_such_program_is_removed(shell: Shell, content: str) -> None:
    file = shell.folder / "service.pid"
    file.write_text(str(os.getpid()) if content == "this process" else content)
    assert shell.run(f'drop_stale_pid_file "{file}" dockerd').returncode == 0
    assert not file.exists()


def test_a_service_that_ends_at_once_names_its_log_and_the_fix(shell: Shell) -> None:
    command = "/bin/bash -c 'echo the disk is full >&2; exit 3'"
    result = shell.run(f'never() {{ false; }}\nensure_service demo never "unix://$HOME/socket" {command}')
    assert result.returncode == 1
    assert "the disk is full" in result.stderr
    assert "fix:" in result.stderr


def test_a_service_does_not_keep_the_locks(service: Service) -> None:
    result = service.start("hold_stack_lock\nstart")
    assert result.returncode == 0, result.stderr
    assert service.shell.run("hold_stack_lock").returncode == 0


@pytest.mark.parametrize(("late", "tries"), [(0, 1), (2, 3)])
def test_a_timeout_is_retried(shell: Shell, late: int, tries: int) -> None:
    ask = f'ask() {{ echo "$1" >>"$HOME/asked"; (($(wc -l <"$HOME/asked") > {late})) && echo answer || return 124; }}'
    assert shell.run(f"{ask}\npatiently demo ask").stdout == "answer\n"
    assert [int(line) for line in (shell.folder / "asked").read_text().split()] == [10, 20, 40][:tries]


def test_a_failure_is_not_retried(shell: Shell) -> None:
    assert shell.run('ask() { echo asked; return 7; }\npatiently demo ask || echo "$?"').stdout == "asked\n7\n"
