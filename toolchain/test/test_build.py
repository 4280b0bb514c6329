"""make build and make models: images without services, models without services."""

import pytest

from shell import TOOLCHAIN, Shell

PULUMI = """
case "$*" in
  *"config --json"*) echo '{}' ;;
  *" up "*) echo "images only: ${CP_WHISPERX_BUILD:-no}" >>"$HOME/calls"; exit "${PULUMI_STATUS:-0}" ;;
  *"stack output"*) echo '{"services": {"asr": {"container": "c-asr"}}}' ;;
esac
"""


def command(shell: Shell, name: str, npx: str, **environment: str) -> tuple[int, str]:
    """Runs the command with nothing to install; returns its status and output."""
    shell.double("pulumi", PULUMI)
    shell.double("npx", npx)
    *lines, _ = (TOOLCHAIN / f"{name}.sh").read_text().splitlines()
    functions = "\n".join(line for line in lines if not line.startswith("source "))
    doubles = 'ensure_tools() { echo "tools for $*" >>"$HOME/calls"; }\nwrite_machine_settings() { :; }'
    result = shell.run(f"{functions}\n{doubles}\nmain", **environment)
    return result.returncode, result.stderr


def build(shell: Shell, npx: str, image: str, **environment: str) -> tuple[int, str]:
    """Runs make build IMAGE=image."""
    return command(shell, "build", npx, IMAGE=image, **environment)


def test_build_targets_the_images_and_deploys_nothing(shell: Shell) -> None:
    status, said = build(shell, "printf '%s\\n' '**images' '**Image::asr'", "asr")
    assert status == 0, said
    [update] = [call for call in shell.calls if " up " in call]
    assert update.endswith("--target=**images --target=**Image::asr")
    assert {"tools for builds", "images only: yes"} <= set(shell.calls)


@pytest.mark.parametrize("status", [0, 137])
@pytest.mark.parametrize("marked", [True, False])
def test_build_keeps_the_mark_of_an_unfinished_deployment(shell: Shell, status: int, *, marked: bool) -> None:
    # There is no engine for a recovery.
    shell.double("docker", "exit 1")
    mark = shell.home / "run/stack-dev.unfinished"
    mark.parent.mkdir(parents=True)
    if marked:
        mark.touch()
    for _ in range(2):
        assert build(shell, "echo '**Image::asr'", "asr", PULUMI_STATUS=str(status))[0] == min(status, 1)
        assert mark.exists() == marked
    assert len([call for call in shell.calls if " up " in call]) == 2


def test_models_builds_the_images_that_fill_the_cache(shell: Shell) -> None:
    shell.double("docker", "echo 28.0.0")
    npx = """[[ ${!#} == models ]] && printf '%s\\n' '**images' '**Image::base' '**Image::models'"""
    status, said = command(shell, "models", npx)
    assert status == 0, said
    assert {"tools for builds", "images only: no"} <= set(shell.calls)
    [update] = [call.split() for call in shell.calls if " up " in call]
    targets = [word.removeprefix("--target=") for word in update if word.startswith("--target=")]
    assert targets == ["**images", "**Image::base", "**Image::models", "**docker-build:index:Image::prefetch"]
    assert update[-4::2] == ["--target-replace"] * 2


def test_an_unknown_image_fails_before_anything_is_built(shell: Shell) -> None:
    status, said = build(shell, "echo 'there is no image ars; the nearest is asr' >&2; exit 1", "ars")
    assert status == 1
    assert "the nearest is asr" in said
    assert not [call for call in shell.calls if " up " in call]


def test_build_needs_no_engine_if_builder_and_registry_run_without_one(shell: Shell) -> None:
    instances = shell.folder / ".docker" / "buildx" / "instances"
    instances.mkdir(parents=True)
    (instances / "cp-whisperx").write_text('{"Driver":"remote"}')
    shell.double("curl", "printf 'HTTP/1.1 200 OK\\nDocker-Distribution-Api-Version: registry/2.0\\n'")
    assert shell.run("builds_without_engine").returncode == 0
    (instances / "cp-whisperx").write_text('{"Driver":"docker-container"}')
    assert shell.run("builds_without_engine").returncode != 0
    (instances / "cp-whisperx").write_text('{"Driver":"remote"}')
    shell.double("curl", "exit 7")
    assert shell.run("builds_without_engine").returncode != 0
