"""Cleaning up after an interrupted deployment."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shell import TOOLCHAIN, Shell

sys.path.insert(0, str(TOOLCHAIN))

import recovery

STATE = {
    "deployment": {
        "resources": [{"urn": "urn:pulumi:dev::p::Stack::s"}, {"urn": "urn:pulumi:dev::p::Container::asr", "id": "1"}],
        "pending_operations": [{"type": "creating", "resource": {"urn": "urn:pulumi:dev::p::Container::mux"}}],
    }
}


def test_unknown_containers_and_networks_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def docker(*arguments: str) -> str:
        calls.append(" ".join(arguments))
        if arguments[0] == "ps":
            return "1 cp-whisperx-dev-asr\n2 cp-whisperx-dev-mux\n"
        # The networks of stack dev-two have names that begin like those of stack dev.
        names = ["cp-whisperx-dev-inside", "cp-whisperx-dev-two-inside"]
        (pattern,) = [word.removeprefix("name=") for word in arguments if word.startswith("name=")] or ["$."]
        return "".join(f"3 {name}\n" for name in names if re.search(pattern, name))

    monkeypatch.setattr(recovery, "docker", docker)
    file = tmp_path / "export.json"
    file.write_text(json.dumps(STATE))
    recovery.main("dev", file)
    assert [call for call in calls if "rm" in call.split()] == ["rm --force 2", "network rm 3"]


# A state and what Pulumi prints about it; Pulumi cannot import while another update runs.
PULUMI = """
case "$*" in
  *"stack export"*) cat "$HOME/state.json" ;;
  *"stack import"*) echo "the stack is currently locked" >&2; exit "${LOCKED:-0}" ;;
esac
"""


def begin(shell: Shell, state: object, *, marked: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
    """Begins a deployment of a stack in this state; the engine has a container that the state does not contain."""
    (shell.folder / "state.json").write_text(json.dumps(state))
    shell.double("pulumi", PULUMI)
    shell.double("docker", '[[ $1 != ps ]] || echo "2 cp-whisperx-dev-mux"')
    mark = ': >"$UNFINISHED_FILE"\n' if marked else ""
    return shell.run(f"{mark}begin_deployment", **environment)


def steps(shell: Shell) -> list[str]:
    """The calls that change the state or the engine."""
    found = (re.search(r"stack import|rm --force", call) for call in shell.calls)
    return [step[0] for step in found if step]


@pytest.mark.parametrize("marked", [True, False])
def test_an_interrupted_deployment_is_repaired_whoever_began_it(shell: Shell, *, marked: bool) -> None:
    state = {"deployment": {"resources": STATE["deployment"]["resources"]}} if marked else STATE
    result = begin(shell, state, marked=marked)
    assert result.returncode == 0, result.stderr
    assert steps(shell) == ["stack import", "rm --force"]


def test_a_finished_deployment_is_left_as_it_is(shell: Shell) -> None:
    state = {"deployment": {"resources": [{"urn": "urn:pulumi:dev::p::Stack::pending_operations"}]}}
    assert begin(shell, state).returncode == 0
    assert steps(shell) == []


def test_a_failed_recovery_removes_no_container_and_is_repeated(shell: Shell) -> None:
    result = begin(shell, STATE, LOCKED="255")
    assert result.returncode == 1
    assert "the stack is currently locked" in result.stderr
    assert begin(shell, {"deployment": {}}, LOCKED="255").returncode == 1
    assert set(steps(shell)) == {"stack import"}


def lock_of(shell: Shell, process: int, host: str) -> Path:
    """Writes Pulumi's lock of the stack dev."""
    folder = shell.home / "state" / ".pulumi" / "locks" / "organization" / "cp-whisperx" / "dev"
    folder.mkdir(parents=True)
    file = folder / "lock.json"
    file.write_text(json.dumps({"pid": process, "hostname": host}))
    return file


RELEASE = "export_pulumi_environment\nrelease_stale_locks"


def test_the_lock_of_a_killed_pulumi_is_released(shell: Shell) -> None:
    file = lock_of(shell, 4194399, socket.gethostname())
    assert shell.run(RELEASE).returncode == 0
    assert not file.exists()


@pytest.mark.parametrize("host", ["here", "elsewhere"])
def test_the_lock_of_a_pulumi_that_may_still_run_is_kept(shell: Shell, host: str) -> None:
    file = lock_of(shell, os.getpid(), socket.gethostname() if host == "here" else host)
    result = shell.run(f"runs_as() {{ [[ $1 == {os.getpid()} ]]; }}\n{RELEASE}", CP_WHISPERX_PATIENCE="1")
    assert result.returncode == 1
    assert "Pulumi already works on the stack dev" in result.stderr
    assert file.exists()


def test_a_lock_with_a_reused_process_id_is_released(shell: Shell) -> None:
    file = lock_of(shell, os.getpid(), socket.gethostname())
    os.utime(file, (0, Path(f"/proc/{os.getpid()}").stat().st_mtime - 86400))
    result = shell.run(f"runs_as() {{ [[ $1 == {os.getpid()} ]]; }}\n{RELEASE}", CP_WHISPERX_PATIENCE="1")
    assert result.returncode == 0, result.stderr
    assert not file.exists()


def test_make_waits_for_a_pulumi_that_outlived_its_make(shell: Shell, tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.write_text('#!/bin/sh\nread end\nrm -f -- "$1"\n')
    program.chmod(0o755)
    folder = shell.home / "state/.pulumi/locks/organization/cp-whisperx/dev/lock.json"
    with subprocess.Popen([program, folder], stdin=subprocess.PIPE) as pulumi:
        file = lock_of(shell, pulumi.pid, socket.gethostname())
        waiting = f"{RELEASE}\n[[ ! -e '{file}' ]]"
        timer = threading.Timer(2, lambda: pulumi.communicate(b"\n"))
        timer.start()
        result = shell.run(waiting)
        timer.join()
    assert result.returncode == 0, result.stderr
    assert "waiting for it" in result.stderr
    assert "was killed" not in result.stderr
