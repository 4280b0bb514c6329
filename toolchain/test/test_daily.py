"""The everyday commands on a deployed stack: ps, logs, restart, destroy."""

import json

import pytest

from shell import TOOLCHAIN, Shell

OUTPUTS = {
    "services": {"asr": {"container": "cp-whisperx-dev-asr"}, "mux": {"container": "cp-whisperx-dev-mux"}},
    "films": {"in": "/films/in", "out": "/films/out"},
}
PULUMI = """
case "$*" in
  version) echo v3 ;;
  *"stack output"*) cat "$HOME/outputs.json" ;;
  *"stack export"*) echo '{"deployment": {}}' ;;
  *"config --json"*) echo '{}' ;;
esac
"""


NO_STACK = "if [[ $* == *--stack* ]]; then echo no stack named dev found >&2; exit 1; fi"


def command(
    shell: Shell, name: str, outputs: object = OUTPUTS, before: str = "", **environment: str
) -> tuple[int, str]:
    """Runs one of the commands with doubles of Pulumi and the engine; returns its status and output."""
    (shell.folder / "outputs.json").write_text(json.dumps(outputs))
    shell.double("pulumi", f"{before}\n{PULUMI}")
    shell.double("docker", '[[ $1 == version ]] && echo 28.0.0; [[ $1 == logs ]] && echo "log of ${!#}"; true')
    *lines, last = (TOOLCHAIN / f"{name}.sh").read_text().splitlines()
    assert last == "main"
    result = shell.run("\n".join(line for line in lines if not line.startswith("source ")) + "\nmain", **environment)
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize(("follow", "called"), [("", "docker logs cp-"), ("1", "docker logs --follow cp-")])
def test_logs_shows_the_log_of_one_service(shell: Shell, follow: str, called: str) -> None:
    status, said = command(shell, "logs", STAGE="asr", FOLLOW=follow)
    assert status == 0, said
    assert "log of cp-whisperx-dev-asr" in said
    assert f"{called}whisperx-dev-asr" in shell.calls


@pytest.mark.parametrize("name", ["logs", "restart"])
@pytest.mark.parametrize("stage", ["", "asrr"])
def test_an_unknown_service_lists_the_known_ones(shell: Shell, name: str, stage: str) -> None:
    status, said = command(shell, name, STAGE=stage)
    assert status == 1
    assert "asr, mux" in said


def test_restart_restarts_only_that_container(shell: Shell) -> None:
    status, said = command(shell, "restart", STAGE="mux")
    assert status == 0, said
    assert [call for call in shell.calls if "restart" in call] == ["docker restart cp-whisperx-dev-mux"]


@pytest.mark.parametrize("name", ["ps", "logs", "restart"])
def test_a_stack_that_is_not_deployed_is_reported(shell: Shell, name: str) -> None:
    status, said = command(shell, name, {}, STAGE="asr")
    assert status == 1
    assert "the stack dev is not deployed" in said


@pytest.mark.parametrize("data", ["", "yes"])
def test_destroy_keeps_the_data_unless_data_is_yes(shell: Shell, data: str) -> None:
    status, said = command(shell, "destroy", DATA=data)
    assert status == 0, said
    assert any(call.startswith("pulumi") and " destroy " in call for call in shell.calls)
    removed = [call for call in shell.calls if "volume rm" in call]
    kept = "docker volume rm --force cp-whisperx-dev-model-cache cp-whisperx-dev-queue"
    assert removed == ([kept] if data else [])
    assert "/films/in" in said


def test_destroy_of_an_unknown_stack_fails(shell: Shell) -> None:
    status, said = command(shell, "destroy", before=NO_STACK)
    assert status == 1
    assert "there is no stack dev" in said
    assert not [call for call in shell.calls if " destroy " in call]


def test_a_preview_of_an_unknown_stack_creates_it(shell: Shell) -> None:
    shell.double(
        "pulumi",
        f"""if [[ $* == *"config --json"* && ! -e $HOME/made ]]; then echo no stack named gpu >&2; exit 1; fi
[[ $* == *"stack init gpu"* ]] && : >"$HOME/made"
{PULUMI}""",
    )
    *lines, _ = (TOOLCHAIN / "preview.sh").read_text().splitlines()
    functions = "\n".join(line for line in lines if not line.startswith("source "))
    result = shell.run(f"{functions}\nensure_program() {{ :; }}\nmain", STACK="gpu")
    assert result.returncode == 0, result.stderr
    assert (shell.folder / "made").exists()
    assert shell.calls[-1].endswith("preview --diff=false --suppress-outputs --stack gpu")
