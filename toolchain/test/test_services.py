"""The engine, the builder and the registry on a busy machine: slow, unreachable, or started by somebody else."""

import http.server
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shell import Shell
from test_process import continued_after, end, is_alive

# Divides every time limit by five.
IMPATIENT = 'limit=$1; shift; exec /usr/bin/timeout "$((limit / 5))" "$@"'
PROGRAMS = Path.home() / ".cp-whisperx/bin"


class Builder:
    """A real buildkitd in a temporary home."""

    SCRIPT = f"""
BIN_FOLDER="{PROGRAMS}" PATH="$PATH:/usr/sbin:/sbin"
ensure_buildkit_programs() {{ :; }}
ensure() {{ write_builder_configuration; ensure_remote_builder; }}
build() {{ mkdir -p "$HOME/context"; printf 'FROM scratch\\nCOPY Dockerfile /\\n' >"$HOME/context/Dockerfile"
  "$BIN_FOLDER/buildctl" --addr "unix://$BUILDKIT_SOCKET" build --progress plain --frontend dockerfile.v0 \
    --local context="$HOME/context" --local dockerfile="$HOME/context" 2>&1; }}
"""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.socket = shell, shell.home / "run/buildkitd.sock"

    def run(self, script: str) -> str:
        result = self.shell.run(self.SCRIPT + script)
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    def process(self) -> int:
        return int(self.run("service_process buildkitd") or 0)


@pytest.fixture
def builder(short_shell: Shell) -> Iterator[Builder]:
    if os.geteuid() != 0 or not (PROGRAMS / "buildkitd").exists():
        pytest.skip("needs root and a buildkitd, which make up builds if the official images are not reachable")
    made = Builder(short_shell)
    yield made
    if process := made.process():
        end(process)


def test_a_builder_that_answers_late_keeps_its_process_and_its_socket(builder: Builder) -> None:
    builder.run("ensure")
    first = builder.process()
    with continued_after(first, 9):
        builder.run("ensure")
    assert builder.process() == first
    assert builder.socket.exists()


def test_a_builder_without_its_socket_is_repaired_and_keeps_its_cache(builder: Builder) -> None:
    assert "CACHED" not in builder.run("ensure; build")
    first = builder.process()
    builder.socket.unlink()
    said = builder.run("ensure; build")
    assert "its socket" in said
    assert "CACHED" in said
    assert builder.process() not in (0, first)
    assert not is_alive(first)


@pytest.mark.parametrize(("runs", "removed"), [("true", False), ("false", True)])
def test_a_builder_container_is_removed_only_if_it_does_not_run(shell: Shell, runs: str, *, removed: bool) -> None:
    """The first inspection finds no container, and buildx fails to start it."""
    shell.double(
        "docker",
        'case "$*" in "container inspect"*) if [[ -e $HOME/tried ]]; then echo '
        f'{runs}; fi ;; *--bootstrap\\ cp-whisperx) : >"$HOME/tried"; exit 1 ;; esac',
    )
    result = shell.run("write_builder_configuration\nensure_container_builder")
    assert result.returncode == 0, result.stderr
    assert ("docker buildx rm --keep-state cp-whisperx" in shell.calls) is removed
    assert any(call.startswith("docker buildx create") for call in shell.calls) is removed


@pytest.fixture
def slow(shell: Shell) -> Shell:
    """A machine with short time limits."""
    shell.double("timeout", IMPATIENT)
    return shell


OWN_ENGINE = """
ENGINE_PID_FILE="$HOME/docker.pid" ENGINE_ADDRESS="unix://$HOME/docker.sock"
install_engine() { echo installing; exit; }
start_engine() { echo starting; exit; }
"""
ABSENT = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


def test_a_slow_engine_gets_no_second_one(slow: Shell) -> None:
    slow.double("docker", '[[ -e $HOME/asked ]] || { : >"$HOME/asked"; sleep 60; }; echo 28.0.0')
    result = slow.run(f"{OWN_ENGINE}ensure_engine")
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


@pytest.mark.parametrize(
    ("words", "place", "said"),
    [
        ("permission denied while trying to connect to the Docker daemon socket", "", "the Docker engine refuses"),
        ("Error response from daemon: out of memory", "", "out of memory"),
        (ABSENT, "unix:///home/me/.docker/desktop/docker.sock", "no engine answers at unix:///home/me"),
    ],
)
def test_an_engine_that_refuses_or_is_elsewhere_gets_no_second_one(
    shell: Shell, words: str, place: str, said: str
) -> None:
    shell.double(
        "docker",
        f'if [[ $1 == context ]]; then echo "{place or "unix://$HOME/docker.sock"}"; exit; fi\n'
        f"echo '{words}' >&2; exit 1",
    )
    result = shell.run(f"{OWN_ENGINE}ensure_engine")
    assert (result.returncode, result.stdout) == (1, "")
    assert said in result.stderr


@pytest.mark.parametrize("words", [ABSENT, "failed to connect to the docker API at unix:///var/run/docker.sock"])
def test_an_engine_is_started_if_none_listens(shell: Shell, words: str) -> None:
    shell.double("docker", f"echo '{words}' >&2; exit 1")
    shell.double("dockerd")
    result = shell.run(f"{OWN_ENGINE}ensure_engine")
    if os.geteuid() == 0:
        assert result.stdout == "starting\n"
    else:
        assert "needs root" in result.stderr


def test_an_engine_that_somebody_else_started_is_named_and_kept(shell: Shell) -> None:
    shell.double("docker", "exit 1")
    (shell.folder / "dockerd").symlink_to("/bin/sleep")
    with subprocess.Popen([shell.folder / "dockerd", "600"]) as process:
        (shell.folder / "docker.pid").write_text(str(process.pid))
        result = shell.run(f"{OWN_ENGINE}check_other_engine", CP_WHISPERX_PATIENCE="1")
        assert process.poll() is None
        process.kill()
    assert result.returncode == 1
    assert f"dockerd (process {process.pid}) runs, was not started by make up" in result.stderr


@contextmanager
def registry(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A registry that answers after three seconds; yields its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(3)
            answer(self)

        do_HEAD = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield str(server.server_address[1])
        server.shutdown()


def say_registry(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Docker-Distribution-Api-Version", "registry/2.0")
    handler.send_header("Docker-Content-Digest", "sha256:1")
    handler.end_headers()


@pytest.mark.parametrize("container", ["", "running 127.0.0.1:$CP_WHISPERX_REGISTRY_PORT->5000/tcp"])
def test_a_registry_that_answers_late_is_waited_for(slow: Shell, container: str) -> None:
    slow.double("docker", f'[[ $1 == ps ]] && echo "{container}"')
    with registry(say_registry) as port:
        result = slow.run("ensure_registry", CP_WHISPERX_REGISTRY_PORT=port, TOOLCHAIN_SOURCE="official")
    assert result.returncode == 0, result.stderr
    assert [call.split()[1] for call in slow.calls if call.startswith("docker ")] == ["ps"]


@pytest.mark.parametrize("container", ["exited", "running 127.0.0.1:1->5000/tcp"])
def test_a_registry_container_that_does_not_run_there_is_recreated(shell: Shell, container: str) -> None:
    shell.double("docker", f'if [[ $1 == ps ]]; then echo "{container}"; fi')
    answers = "registry_answers() { [[ -e $HOME/calls ]] && grep --quiet 'docker run' \"$HOME/calls\"; }"
    result = shell.run(f"{answers}\nensure_registry", CP_WHISPERX_REGISTRY_PORT="2", TOOLCHAIN_SOURCE="official")
    assert result.returncode == 0, result.stderr
    assert [call.split()[1] for call in shell.calls] == ["ps", "rm", "run"]


@pytest.mark.parametrize(("code", "status", "digest"), [(200, 0, "sha256:1\n"), (404, 0, ""), (500, 1, "")])
def test_only_a_404_means_that_the_base_image_is_missing(slow: Shell, code: int, status: int, digest: str) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        if code == 200:
            say_registry(handler)
        else:
            handler.send_error(code)

    with registry(answer) as port:
        result = slow.run('digest=$(base_image_digest)\necho "$digest"', CP_WHISPERX_REGISTRY_PORT=port)
    assert result.returncode == status, result.stderr
    assert result.stdout.strip() == digest.strip()
    if status:
        assert "500" in result.stderr


def test_the_base_image_is_not_rebuilt_if_the_registry_does_not_answer(shell: Shell) -> None:
    made = "make_base_image() { echo made; }\nmirror_base_image() { echo mirrored; }"
    result = shell.run(f"{made}\nensure_base_image", CP_WHISPERX_REGISTRY_PORT="1")
    assert (result.returncode, result.stdout) == (1, "")
    assert "the registry on 127.0.0.1:1 does not answer" in result.stderr
