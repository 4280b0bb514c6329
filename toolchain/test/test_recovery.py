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


def test_pending_operations_and_unknown_containers_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert json.loads(file.read_text()) == {"deployment": {"resources": STATE["deployment"]["resources"]}}
    assert "was pending: mux" in capsys.readouterr().out


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
