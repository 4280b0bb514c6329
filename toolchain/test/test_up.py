"""The parts of make up: locks, files, the port, the passphrase, films."""

import http.server
import os
import socketserver
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from shell import TOOLCHAIN, Shell


def test_a_second_command_on_the_same_stack_fails(shell: Shell) -> None:
    result = shell.run("hold_stack_lock\n(exec 9>&-; hold_stack_lock)")
    assert result.returncode == 1
    assert "another command already works on the stack dev" in result.stderr


def test_commands_on_two_stacks_do_not_block_each_other(shell: Shell) -> None:
    assert shell.run("hold_stack_lock\n(exec 9>&-; STACK_NAME=other; hold_stack_lock)").returncode == 0


@pytest.mark.parametrize(
    ("version", "minimum", "holds"),
    [
        ("20.10.24", "20.10.0", True),
        ("v3.259.0", "3.259.0", True),
        ("28.2.2", "20.10.0", True),
        ("20.9.1", "20.10.0", False),
        ("", "1.0.0", False),
    ],
)
def test_versions_compare_by_number(shell: Shell, version: str, minimum: str, *, holds: bool) -> None:
    assert (shell.run(f"at_least '{version}' '{minimum}'").returncode == 0) is holds


def test_a_download_with_a_wrong_checksum_leaves_nothing(shell: Shell) -> None:
    shell.double("curl", 'echo content >"${@: -2:1}"')
    target = shell.folder / "program"
    result = shell.run(f'download https://example.invalid/program "{target}" {"0" * 64}')
    assert result.returncode == 1
    assert "checksum" in result.stderr
    assert not target.exists()
    assert not target.with_suffix(".part").exists()


def test_a_download_is_checked_against_the_publishers_list(shell: Shell) -> None:
    checksum = subprocess.run(
        ["sha256sum"], input="content\n", text=True, capture_output=True, check=True
    ).stdout.split()[0]
    shell.double(
        "curl", f'if [[ "$*" == *list* ]]; then echo "{checksum} *program"; else echo content >"${{@: -2:1}}"; fi'
    )
    target = shell.folder / "target"
    script = f'download_listed https://example.invalid/list https://example.invalid/program "{target}"'
    assert shell.run(script).returncode == 0
    assert target.read_text() == "content\n"
    assert shell.run(script.replace("/program", "/other")).returncode == 1


class _Stranger(http.server.BaseHTTPRequestHandler):
    """A web server that is not a registry."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_port_in_use_names_the_process_and_the_fix(shell: Shell) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), _Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = str(server.server_address[1])
        shell.double("docker")
        result = shell.run("ensure_registry", CP_WHISPERX_REGISTRY_PORT=port)
        server.shutdown()
    assert result.returncode == 1
    assert f"http://127.0.0.1:{port} is taken by" in result.stderr
    assert f"(process {os.getpid()})" in result.stderr
    assert "CP_WHISPERX_REGISTRY_PORT=" in result.stderr


def test_the_passphrase_is_created_once_and_only_for_its_owner(shell: Shell) -> None:
    make = "export_pulumi_environment\nensure_passphrase"
    assert shell.run(make).returncode == 0
    file = shell.home / "passphrase"
    first = file.read_text()
    assert len(first) > 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert shell.run(make).returncode == 0
    assert file.read_text() == first


def test_a_passphrase_of_the_users_own_is_kept(shell: Shell) -> None:
    assert shell.run("export_pulumi_environment\nensure_passphrase", PULUMI_CONFIG_PASSPHRASE="mine").returncode == 0
    assert not (shell.home / "passphrase").exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "file://{home}/state"), ({"PULUMI_BACKEND_URL": "s3://bucket"}, "s3://bucket")],
)
def test_the_user_chooses_the_backend(shell: Shell, given: dict[str, str], expected: str) -> None:
    result = shell.run('export_pulumi_environment\necho "$PULUMI_BACKEND_URL"', **given)
    assert result.stdout.strip() == expected.format(home=shell.home)


FILM = """The "Missing" Letter's $HOME Été (2026).mp4"""


def test_a_film_is_copied_once_whatever_its_name(shell: Shell) -> None:
    film, folder = shell.folder / FILM, shell.folder / "in"
    film.write_bytes(b"film")
    folder.mkdir()
    for _ in range(2):
        result = shell.run('import_film "$FILM" "$FOLDER"', FILM=str(film), FOLDER=str(folder))
        assert result.stdout == FILM
    assert [file.name for file in folder.iterdir()] == [FILM]


def test_another_film_of_the_same_name_is_not_overwritten(shell: Shell) -> None:
    film, folder = shell.folder / "film.mp4", shell.folder / "in"
    film.write_bytes(b"new")
    folder.mkdir()
    (folder / "film.mp4").write_bytes(b"old")
    result = shell.run('import_film "$FILM" "$FOLDER"', FILM=str(film), FOLDER=str(folder))
    assert result.returncode == 1
    assert "a different film of the same name" in result.stderr
    assert (folder / "film.mp4").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("film", "message"),
    [("", "FILM=path"), ("nowhere.mp4", "no such file"), ("folder", "not a file"), ("empty.mp4", "is empty")],
)
def test_make_film_reports_what_is_wrong_with_the_film(shell: Shell, film: str, message: str) -> None:
    (shell.folder / "folder").mkdir()
    (shell.folder / "empty.mp4").touch()
    path = str(shell.folder / film) if film else ""
    shell.double("python3")
    result = subprocess.run(
        ["make", "--silent", "film", f"FILM={path}"],
        cwd=TOOLCHAIN.parent,
        env={
            "PATH": f"{shell.folder}/bin:/usr/bin:/bin",
            "HOME": str(shell.folder),
            "CP_WHISPERX_HOME": str(shell.home),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert message in result.stderr


def test_a_nearly_full_disk_is_reported_before_anything_begins(shell: Shell) -> None:
    shell.double("df", "echo Avail; echo 100")
    result = shell.run('check_space "$CP_WHISPERX_HOME" 3')
    assert result.returncode == 1
    assert "100 MiB free" in result.stderr


@pytest.mark.parametrize("failing", ["ensure_plugins", "ensure_registry", "none"])
def test_pulumi_is_built_while_the_engine_starts(shell: Shell, failing: str) -> None:
    names = ["pulumi", "plugins", "node_modules", "engine", "registry", "buildx", "builder", "base_image"]
    doubles = "\n".join(f'ensure_{name}() {{ echo {name} >>"$HOME/calls"; }}' for name in names)
    # The plugins wait for the engine. If they are not ended with a failed command, they are "late".
    wait = 'wait_until engine grep --quiet engine "$HOME/calls"; sleep 1; echo late >>"$HOME/calls"'
    shell.double("curl")
    result = shell.run(f"{doubles}\nensure_plugins() {{ {wait}; }}\n{failing}() {{ exit 3; }}\nensure_tools")
    assert result.returncode == (0 if failing == "none" else 3)
    assert ("late" in shell.calls) == (failing == "none")


def repair(shell: Shell, state: str = '"docker:index/container:Container"') -> subprocess.CompletedProcess[str]:
    """Repairs the drift of a stack with this state."""
    return shell.run(f"""echo '{state}' >"$STATE_EXPORT"\nrepair_drift "$(stack_outputs)\"""")


def test_only_lost_services_are_refreshed(shell: Shell) -> None:
    shell.double("pulumi", """echo '{"services": {"asr": {"container": "c-asr"}, "mux": {"container": "c-mux"}}}'""")
    shell.double("docker", "echo c-mux; echo c-other")
    assert repair(shell).returncode == 0
    refresh = next(call for call in shell.calls if "refresh" in call)
    assert "Container::asr" in refresh
    assert "Container::mux" not in refresh
    assert "Image" not in refresh


def test_nothing_is_refreshed_if_all_services_run(shell: Shell) -> None:
    shell.double("pulumi", """echo '{"services": {"asr": {"container": "c-asr"}}}'""")
    shell.double("docker", "echo c-asr")
    assert repair(shell).returncode == 0
    assert not [call for call in shell.calls if "refresh" in call]


def test_nothing_is_refreshed_after_make_down(shell: Shell) -> None:
    shell.double("pulumi", """echo '{"services": {"asr": {"container": "c-asr"}}}'""")
    shell.double("docker")
    assert repair(shell, '"docker:index/volume:Volume"').returncode == 0
    assert not [call for call in shell.calls if "refresh" in call]


def test_an_engine_that_does_not_list_its_containers_loses_nothing(shell: Shell) -> None:
    shell.double("pulumi", """echo '{"services": {"asr": {"container": "c-asr"}}}'""")
    shell.double("docker", "echo no space left on device >&2; exit 1")
    result = repair(shell)
    assert result.returncode == 1
    assert "the engine does not list its containers" in result.stderr
    assert not [call for call in shell.calls if "refresh" in call]


@pytest.mark.parametrize("question", ["stack_outputs", "stack_configuration", "ensure_stack"])
def test_a_failing_pulumi_is_not_a_missing_stack(shell: Shell, question: str) -> None:
    shell.double("pulumi", "echo error: incorrect passphrase >&2; exit 255")
    result = shell.run(f'facts=$({question}) || exit\necho "$facts"')
    assert (result.returncode, result.stdout) == (1, "")
    assert "incorrect passphrase" in result.stderr
    assert not [call for call in shell.calls if " init " in call]


def test_a_missing_stack_has_no_outputs(shell: Shell) -> None:
    shell.double("pulumi", "echo \"error: no stack named 'dev' found\" >&2; exit 255")
    result = shell.run("stack_outputs")
    assert (result.returncode, result.stdout) == (0, "{}")


def test_a_program_is_built_once_and_again_after_a_change(shell: Shell) -> None:
    module = shell.folder / "toolchain" / "go" / "demo"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module demo")
    shell.double("go", 'while [[ $1 != -o ]]; do shift; done; echo built >"$2"; chmod +x "$2"')
    build = f'TOOLCHAIN_FOLDER="{shell.folder}/toolchain"; build_go_program demo . "$CP_WHISPERX_HOME/bin/demo" ""'
    for expected, change in ((1, ""), (1, ""), (2, "module changed"), (2, "")):
        if change:
            (module / "go.mod").write_text(change)
        assert shell.run(build).returncode == 0
        assert len([call for call in shell.calls if call.startswith("go build")]) == expected


def test_a_build_that_fails_leaves_no_program(shell: Shell) -> None:
    module = shell.folder / "toolchain" / "go" / "demo"
    module.mkdir(parents=True)
    shell.double("go", "echo no space left on device >&2; exit 1")
    result = shell.run(
        f'TOOLCHAIN_FOLDER="{shell.folder}/toolchain"; build_go_program demo . "$CP_WHISPERX_HOME/bin/demo" ""'
    )
    assert result.returncode == 1
    assert "no space left on device" in result.stderr
    assert not list(Path(shell.home, "bin").iterdir())
