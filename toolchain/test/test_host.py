"""The everyday commands for a stack on another machine's engine, and for one on this machine's engine."""

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from shell import TOOLCHAIN, Shell

HOST = "ssh://me@gpu-1"
REGISTRY = "registry.example.org"
FILM = """The "Missing" Letter's $HOME & Été (2026).mp4"""
IMAGE = {"reference": f"{REGISTRY}/n/demux@sha256:1", "digest": "sha256:1", "tag": f"{REGISTRY}/n/demux:cpu-1"}

# Each double records which engine it was asked to use.
ENGINE = 'echo "${DOCKER_HOST:-here}" >>"$HOME/engines of ${0##*/}"\n'
DOCKER = f"""{ENGINE}
case $1 in
  version) echo 28.0.0 ;;
  ps) if [[ $* == *cp-whisperx.stack=* ]]; then echo 1 cp-whisperx-remote-mux; else echo c-demux; fi ;;
  inspect) echo /c-demux healthy 0 ;;
  image) echo 724000000 {IMAGE["reference"]} ;;
  exec) echo /films/out/job/film.srt ;;
esac
"""
PULUMI = f"""{ENGINE}
case "$*" in
  version) echo v3 ;;
  *"stack output"*) cat "$HOME/outputs.json" ;;
  *"stack export"*) echo '{{"deployment": {{"resources": [{{"type": "docker:index/container:Container"}}]}}}}' ;;
  *"config --json"*) cat "$HOME/configuration.json" ;;
esac
"""
NPX = f"""{ENGINE}
echo "certificates: ${{SSL_CERT_FILE:-none}}" >>"$HOME/certificates"
cat >"$HOME/input"
exit "${{NPX_STATUS:-0}}"
"""
# ssh passes the arguments of the command to the login shell as one line.
SSH = 'shift 2; machine=$1; shift; [[ $machine == ssh://me@gpu-1 ]] && exec sh -c "$*"'

# Other tests cover what make up installs and configures on this machine.
PREPARED = """
with_tool_lock() { :; }
write_machine_settings() { :; }
ensure_node_modules() { :; }
"""


class _Registry(http.server.BaseHTTPRequestHandler):
    """An empty local registry."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def registry_port() -> Iterator[str]:
    with socketserver.TCPServer(("127.0.0.1", 0), _Registry) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield str(server.server_address[1])
        server.shutdown()


class Stack:
    """A deployed stack, and this machine with the doubles that its commands call."""

    def __init__(self, shell: Shell, host: str | None) -> None:
        self.shell, self.host = shell, host
        self.films = shell.folder / "films in"
        self.films.mkdir()
        self.outputs = {
            "images": {"demux": IMAGE},
            "services": {"demux": {"container": "c-demux", "image": "", "logs": "docker logs c-demux"}},
            "films": {"in": str(self.films), "out": "/srv/out"},
            "volumes": {"modelCache": "v-model-cache"},
        }
        self.configuration = {"cp-whisperx:certificates": {"value": "ca.pem"}}
        if host is not None:
            self.outputs["host"] = host
            self.configuration["cp-whisperx:host"] = {"value": host}
        for name, script in {"docker": DOCKER, "pulumi": PULUMI, "ssh": SSH, "npx": NPX}.items():
            shell.double(name, script)

    @property
    def shown_films(self) -> str:
        """The films folder as a path from this machine."""
        return f"me@gpu-1:{self.films}" if self.host else str(self.films)

    def make(self, command: str, before: str = "", **environment: str) -> tuple[int, str]:
        """Runs one of the commands; returns status and output. `before` replaces functions of the toolchain."""
        (self.shell.folder / "outputs.json").write_text(json.dumps(self.outputs))
        (self.shell.folder / "configuration.json").write_text(json.dumps(self.configuration))
        *lines, last = (TOOLCHAIN / f"{command}.sh").read_text().splitlines()
        assert last == "main"
        functions = "\n".join(line for line in lines if not line.startswith("source "))
        result = self.shell.run(f"{functions}\n{before}\nmain", STACK="remote", **environment)
        return result.returncode, result.stdout + result.stderr

    def engines(self, program: str) -> set[str]:
        """The engines that a program was asked to use, in order."""
        file = self.shell.folder / f"engines of {program}"
        return set(file.read_text().splitlines()) if file.exists() else set()

    def calls(self, program: str) -> list[str]:
        """The calls of a program."""
        return [call for call in self.shell.calls if call.startswith(f"{program} ")]


@pytest.fixture
def remote(shell: Shell) -> Stack:
    return Stack(shell, HOST)


@pytest.fixture(params=[None, HOST], ids=["here", "remote"])
def stack(request: pytest.FixtureRequest, shell: Shell) -> Stack:
    return Stack(shell, request.param)


def film_of(stack: Stack, content: bytes = b"film") -> str:
    film = stack.shell.folder / FILM
    film.write_bytes(content)
    return str(film)


def test_a_film_is_copied_once_and_its_paths_are_those_of_its_machine(stack: Stack) -> None:
    for _ in range(2):
        status, said = stack.make("film", FILM_PATH=film_of(stack))
        assert status == 0, said
        assert f"{'me@gpu-1:' if stack.host else ''}/srv/out/job/film.srt" in said
        assert [file.name for file in stack.films.iterdir()] == [FILM]
    assert (stack.films / FILM).read_bytes() == b"film"
    assert (stack.films / FILM).stat().st_mode & 0o777 == 0o644
    assert stack.engines("docker") == {stack.host or "here"}
    # The second time it is only compared.
    assert len(stack.calls("ssh")) == (3 if stack.host else 0)


def test_a_film_gets_its_name_when_the_copy_is_complete(stack: Stack) -> None:
    stack.shell.double("mv", 'wc --bytes "$HOME/films in/".[!.]* "$HOME/films in"/* >"$HOME/before"; exec /bin/mv "$@"')
    stack.make("film", FILM_PATH=film_of(stack))
    (size, name) = (stack.shell.folder / "before").read_text().split(maxsplit=1)
    assert size == "4"
    assert "/.incoming." in name
    assert FILM not in name


def test_a_film_takes_one_call_of_pulumi(stack: Stack) -> None:
    stack.make("film", FILM_PATH=film_of(stack))
    assert len(stack.calls("pulumi")) == 1


def test_another_film_of_the_same_name_is_not_overwritten(stack: Stack) -> None:
    (stack.films / FILM).write_bytes(b"older")
    status, said = stack.make("film", FILM_PATH=film_of(stack))
    assert status == 1
    assert f"{stack.shown_films}/{FILM} is a different film of the same name" in said
    assert (stack.films / FILM).read_bytes() == b"older"


def test_a_broken_connection_leaves_no_partial_film(remote: Stack) -> None:
    remote.shell.double("ssh", f"head --bytes 2 | ( {SSH} )")
    status, said = remote.make("film", FILM_PATH=film_of(remote))
    assert status == 1
    assert f"could not be copied to {remote.shown_films}" in said
    assert list(remote.films.iterdir()) == []


def test_a_folder_without_write_permission_is_reported_with_a_fix(remote: Stack) -> None:
    remote.films.rmdir()
    status, said = remote.make("film", FILM_PATH=film_of(remote))
    assert status == 1
    assert f"could not be copied to {remote.shown_films}" in said
    assert "fix:" in said
    assert HOST in said.split("fix:")[1]


def test_a_machine_that_ssh_cannot_reach_is_reported(remote: Stack) -> None:
    remote.shell.double("ssh", "echo Permission denied >&2; exit 255")
    status, said = remote.make("film", FILM_PATH=film_of(remote))
    assert status == 1
    assert "Permission denied" in said
    assert f"{HOST} could not be asked" in said


@pytest.mark.parametrize("command", ["film", "up", "down", "sizes", "models"])
def test_an_engine_that_does_not_answer_is_reported(remote: Stack, command: str, registry_port: str) -> None:
    remote.shell.double("docker", "exit 1")
    status, said = remote.make(command, PREPARED, FILM_PATH=film_of(remote), CP_WHISPERX_REGISTRY_PORT=registry_port)
    assert status == 1
    assert f"the engine of {HOST} does not answer" in said
    assert f"docker --host {HOST} version" in said
    assert not [call for call in remote.calls("pulumi") if " up " in call or "destroy" in call or "refresh" in call]


def test_make_up_does_not_copy_the_sample_to_another_machine(stack: Stack, registry_port: str) -> None:
    status, said = stack.make("up", PREPARED, CP_WHISPERX_REGISTRY_PORT=registry_port)
    assert status == 0, said
    assert len(list(stack.films.iterdir())) == (0 if stack.host else 1)
    assert len([call for call in stack.calls("docker") if " submit " in call]) == (0 if stack.host else 1)
    way = f"films go to {stack.shown_films}; make film STACK=remote FILM=path/to/film.mp4"
    assert (way in said) is (stack.host is not None)
    assert "demux  724 MB  sha256:1" in said
    assert "demux    healthy" in said


def test_docker_uses_the_stacks_engine_and_pulumi_runs_here(stack: Stack, registry_port: str) -> None:
    stack.make("up", PREPARED, CP_WHISPERX_REGISTRY_PORT=registry_port)
    assert stack.engines("docker") == {stack.host or "here"}
    assert stack.engines("pulumi") == {"here"}
    # The configuration, the state, the outputs before and after, and the deployment itself.
    assert len(stack.calls("pulumi")) == 5


def test_running_services_on_the_stacks_engine_are_not_refreshed(stack: Stack, registry_port: str) -> None:
    stack.shell.double("docker", f"[[ ${{DOCKER_HOST:-here}} == {stack.host or 'here'} ]] || exit 1\n{DOCKER}")
    stack.make("up", PREPARED, CP_WHISPERX_REGISTRY_PORT=registry_port)
    assert not [call for call in stack.calls("pulumi") if "refresh" in call]


def test_make_down_cleans_up_on_the_stacks_engine(stack: Stack) -> None:
    # The last deployment was interrupted.
    run = stack.shell.home / "run"
    run.mkdir(parents=True)
    (run / "stack-remote.unfinished").touch()
    status, said = stack.make("down")
    assert status == 0, said
    assert "docker rm --force 1" in stack.calls("docker")
    assert stack.engines("docker") == {stack.host or "here"}
    assert stack.engines("pulumi") == {"here"}


def test_make_models_refills_the_model_cache_and_changes_nothing_else(stack: Stack) -> None:
    status, said = stack.make("models", PREPARED)
    assert status == 0, said
    (update,) = [call.split() for call in stack.calls("pulumi") if " up " in call]
    assert update[update.index("--stack") + 1] == "remote"
    patterns = [update[index + 1] for index, word in enumerate(update) if word.startswith("--target")]
    declared = json.loads((TOOLCHAIN.parent / "test/golden/gpu.json").read_text())
    names = {
        kind: f"urn:pulumi:remote::cp-whisperx::cp-whisperx:volumes:ModelCache${kind.replace(' ', '::')}"
        for kind in declared
    }
    found = {kind for kind, name in names.items() if any(fnmatchcase(name, pattern) for pattern in patterns)}
    assert found == {"command:local:Command model-cache-fill", "command:local:Command model-cache-prefetch"}
    assert stack.engines("pulumi") == {"here"}


def test_a_failed_model_download_is_reported(stack: Stack) -> None:
    stack.shell.double("pulumi", f'if [[ $* == *" up "* ]]; then exit 1; fi\n{PULUMI}')
    status, said = stack.make("models", PREPARED)
    assert status == 1
    assert "the model cache of the stack remote is not complete" in said


@pytest.mark.parametrize(("end", "cut_off"), [("exit 255", False), ("kill -9 $$", True)], ids=["failed", "killed"])
def test_only_a_killed_deployment_is_cleaned_up_by_the_next_one(stack: Stack, end: str, *, cut_off: bool) -> None:
    stack.shell.double("pulumi", f'if [[ $* == *" up "* ]]; then {end}; fi\n{PULUMI}')
    assert stack.make("models", PREPARED)[0] == 1
    assert (stack.shell.home / "run/stack-remote.unfinished").exists() == cut_off


def certificates(stack: Stack) -> str:
    return (stack.shell.folder / "certificates").read_text().strip()


def test_sizes_are_those_of_the_stacks_engine_and_its_registry(stack: Stack) -> None:
    status, said = stack.make("sizes", PREPARED)
    assert status == 0, said
    assert stack.engines("npx") == {stack.host or "here"}
    assert json.loads((stack.shell.folder / "input").read_text())["images"] == {"demux": IMAGE}
    assert certificates(stack) == f"certificates: {TOOLCHAIN.parent}/ca.pem"


def test_certificates_are_named_by_their_absolute_path(remote: Stack, tmp_path: Path) -> None:
    remote.configuration["cp-whisperx:certificates"] = {"value": str(tmp_path / "own.pem")}
    remote.make("sizes", PREPARED)
    assert certificates(remote) == f"certificates: {tmp_path}/own.pem"


def test_sizes_of_the_local_registry_need_no_configuration(shell: Shell) -> None:
    stack = Stack(shell, None)
    stack.outputs["images"] = {"demux": {"reference": "127.0.0.1:5000/n/demux@sha256:1"}}
    status, said = stack.make("sizes", PREPARED)
    assert status == 0, said
    assert certificates(stack) == "certificates: none"
    assert [call for call in stack.calls("pulumi") if "config" in call] == []


def test_a_registry_that_does_not_answer_is_reported_with_fixes(remote: Stack) -> None:
    status, said = remote.make("sizes", PREPARED, NPX_STATUS="1")
    assert status == 1
    assert f"docker --host {HOST} login {REGISTRY}" in said
    assert "pulumi config set --stack remote certificates" in said


@pytest.mark.parametrize("command", ["film", "sizes", "models"])
def test_a_stack_that_is_not_deployed_is_reported(remote: Stack, command: str) -> None:
    remote.outputs.clear()
    status, said = remote.make(command, PREPARED, FILM_PATH=film_of(remote))
    assert status == 1
    assert "the stack remote is not deployed" in said
    assert "make up STACK=remote" in said
