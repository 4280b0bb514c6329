"""make build: images without services."""

from shell import TOOLCHAIN, Shell

PULUMI = """
case "$*" in
  *"config --json"*) echo '{}' ;;
  *" up "*) echo "images only: $CP_WHISPERX_BUILD" >>"$HOME/calls" ;;
esac
"""


def build(shell: Shell, npx: str, image: str) -> tuple[int, str]:
    """Runs the command with nothing to install; returns its status and output."""
    shell.double("pulumi", PULUMI)
    shell.double("npx", npx)
    *lines, _ = (line for line in (TOOLCHAIN / "build.sh").read_text().splitlines() if not line.startswith("source "))
    doubles = 'ensure_tools() { echo "tools for $*" >>"$HOME/calls"; }\nconfigure_stack() { :; }'
    result = shell.run("\n".join([doubles, *lines, "main"]), IMAGE=image)
    return result.returncode, result.stderr


def test_build_targets_the_images_and_deploys_nothing(shell: Shell) -> None:
    status, said = build(shell, "printf '%s\\n' '**images' '**Image::asr'", "asr")
    assert status == 0, said
    [update] = [call for call in shell.calls if " up " in call]
    assert update.endswith("--target=**images --target=**Image::asr")
    assert {"tools for builds", "images only: yes"} <= set(shell.calls)


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
