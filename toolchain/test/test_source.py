"""The choice between official downloads and package registries, part by part."""

import pytest

from shell import Shell

# The function that installs each part, and the call of a double that shows each source.
CHOICES = [
    ("install_engine", "official: install_official_engine", "packages: install_packages engine docker.io iptables"),
    ("create_builder", "official: create_container_builder", "packages: create_remote_builder"),
    ("ensure_base_image", "official: mirror_base_image", "packages: make_base_image"),
    ("ensure_pulumi", "official: install_official_pulumi", "packages: build_pulumi"),
    ("ensure_buildx", "official: install_official_buildx", "packages: build_go_program"),
    ("ensure_registry", "official: start_registry_container", "packages: start_registry_program"),
    ("ensure_plugin command 1.2.1 build_command_plugin", "official: plugin install", "packages: build_command_plugin"),
]
DOUBLES = """
for name in install_official_engine create_container_builder mirror_base_image install_official_pulumi \
    install_official_buildx start_registry_container; do
  eval "$name() { echo official: $name \\$*; }"
done
for name in install_packages create_remote_builder make_base_image build_pulumi build_go_program \
    start_registry_program build_command_plugin; do
  eval "$name() { echo packages: $name \\$*; }"
done
step() { echo "official: ${*:3:2}"; }
base_image_digest() { if [[ -e $HOME/asked ]]; then echo sha256:0; fi; : >"$HOME/asked"; }
ensure_wrapper() { :; }
pulumi_version() { :; }
registry_answers() { false; }
registry_container() { :; }
await_other_service() { false; }
"""


@pytest.mark.parametrize(("part", "official", "packages"), CHOICES, ids=[part.split()[0] for part, _, _ in CHOICES])
@pytest.mark.parametrize("source", ["official", "packages", "auto, reached", "auto, not reached"])
def test_every_part_takes_the_source_it_should(
    shell: Shell, part: str, official: str, packages: str, source: str
) -> None:
    shell.double("curl", "exit 0" if source != "auto, not reached" else "exit 6")
    shell.double("docker", "exit 1")
    result = shell.run(DOUBLES + part, TOOLCHAIN_SOURCE=source.split(",", maxsplit=1)[0])
    expected = official if source in ("official", "auto, reached") else packages
    assert result.returncode == 0, result.stderr
    assert expected in result.stdout
    assert (packages if expected == official else official).split(":")[0] not in result.stdout


def test_a_timeout_is_retried_with_more_time(shell: Shell) -> None:
    shell.double("curl", '[[ "$*" == *"--max-time 20 "* ]] || { echo "curl: (28) timed out" >&2; exit 28; }')
    assert shell.run("answers https://example.invalid/").returncode == 0
    assert len(shell.calls) == 3


@pytest.mark.parametrize(
    ("status", "words", "tries"),
    [
        (6, "Could not resolve host", 1),
        (7, "Connection refused", 1),
        (60, "self-signed certificate", 1),
        (28, "timed out", 3),
    ],
)
def test_an_unreachable_host_is_reported_and_checked_once(shell: Shell, status: int, words: str, tries: int) -> None:
    shell.double("curl", f'echo "curl: ({status}) {words}" >&2; exit {status}')
    ask = "use_official engine https://example.invalid/ || echo packages"
    result = shell.run(f"{ask}\n{ask}")
    assert result.stdout == "packages\npackages\n"
    assert f"curl: ({status}) {words}" in result.stderr
    assert len(shell.calls) == tries


def test_an_invalid_source_is_refused_with_the_allowed_values(shell: Shell) -> None:
    result = shell.run("use_official engine https://example.invalid/", TOOLCHAIN_SOURCE="internet")
    assert result.returncode == 1
    assert "TOOLCHAIN_SOURCE is 'internet'" in result.stderr
    assert "official, packages or auto" in result.stderr


def test_an_installed_part_uses_no_network(shell: Shell) -> None:
    shell.double("curl")
    shell.double("docker", "echo github.com/docker/buildx v0.35.0 abc")
    assert shell.run("ensure_buildx").returncode == 0
    assert not [call for call in shell.calls if call.startswith("curl")]
