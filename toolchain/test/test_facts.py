"""Facts of this machine stay out of the checkout: salt, base image, secrets, the wrapper of another home."""

import json
import stat
import subprocess
from pathlib import Path
from shlex import quote

import pytest

from shell import TOOLCHAIN, Shell

REFERENCE = "127.0.0.1:5000/library/python:3.11-slim@sha256:0"
# Pulumi adds a salt to the stack file that it reads, and shows what is in it.
PULUMI = """
folder=.
if [[ $1 == --cwd ]]; then folder=$2; fi
file=${PULUMI_OPTION_CONFIG_FILE:-}
if [[ $* == *"stack init"* ]]; then file=$folder/Pulumi.dev.yaml; fi
[[ -n $file ]] || exit 0
[[ -e $file ]] && cat "$file"
echo "encryptionsalt: new" >>"$file"
echo "${file%/*}" >>"$HOME/folders"
exit "${PULUMI_STATUS:-0}"
"""


def checkout(shell: Shell, content: str | None) -> Path:
    """A checkout with this stack file; a script works in it after its first line."""
    folder = shell.folder / "checkout"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: cp-whisperx\n")
    if content is not None:
        (folder / "Pulumi.dev.yaml").write_text(content)
    shell.double("pulumi", PULUMI)
    return folder


@pytest.mark.parametrize("command", ["pulumi_here up", "init_stack"])
@pytest.mark.parametrize("content", ["config: {}\n", "encryptionsalt: mine\n", None])
def test_pulumi_reads_the_stack_file_and_leaves_it_as_it_is(shell: Shell, command: str, content: str | None) -> None:
    folder = checkout(shell, content)
    before = {file.name: file.read_text() for file in folder.iterdir()}
    result = shell.run(f"PROJECT_FOLDER={folder}\n{command}")
    assert result.returncode == 0, result.stderr
    assert result.stdout == (content or "")
    assert {file.name: file.read_text() for file in folder.iterdir()} == before
    assert not [copy for copy in (shell.folder / "folders").read_text().split() if Path(copy).exists()]


def test_a_failed_pulumi_returns_its_status_and_leaves_no_copy(shell: Shell) -> None:
    folder = checkout(shell, "config: {}\n")
    script = f"PROJECT_FOLDER={folder}\nstatus=0\npulumi_here up || status=$?\nexit $status"
    assert shell.run(script, PULUMI_STATUS="137").returncode == 137
    assert not Path((shell.folder / "folders").read_text().strip()).exists()


def test_make_and_plain_pulumi_use_the_salt_in_the_state(shell: Shell) -> None:
    setting = "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER=true"
    assert f"export {setting}" in shell.run("wrapper_text").stdout
    assert shell.run(f'export_pulumi_environment\nenv | grep "^{setting}$"').returncode == 0


def test_the_machine_keeps_its_registry_and_base_image_in_its_home(shell: Shell) -> None:
    script = f"base_image_reference() {{ printf {REFERENCE}; }}\nwrite_machine_settings"
    result = shell.run(script, CP_WHISPERX_REGISTRY_PORT="5001")
    assert result.returncode == 0, result.stderr
    facts = json.loads((shell.home / "machine.json").read_text())
    assert facts == {"registry": "127.0.0.1:5001", "baseImages": {"cpu": REFERENCE}}


@pytest.mark.parametrize(
    ("configured", "warned"),
    [(REFERENCE, False), (f"{REFERENCE}1", True), ("registry.example.org/python@sha256:1", False), (None, False)],
)
def test_a_different_base_image_from_an_older_make_up_is_reported(
    shell: Shell, configured: str | None, *, warned: bool
) -> None:
    configuration = {} if configured is None else {"cp-whisperx:baseImages": {"objectValue": {"cpu": configured}}}
    *lines, last = (TOOLCHAIN / "up.sh").read_text().splitlines()
    assert last == "main"
    script = [
        *(line for line in lines if not line.startswith("source ")),
        f"base_image_reference() {{ printf {REFERENCE}; }}",
    ]
    result = shell.run("\n".join([*script, 'warn_of_old_base_image "$FACTS"']), FACTS=json.dumps(configuration))
    assert result.returncode == 0, result.stderr
    assert ("pulumi config rm --path baseImages.cpu --stack dev" in result.stderr) == warned


def keep_secret(shell: Shell, key: str, value: str) -> subprocess.CompletedProcess[str]:
    """Runs make secret with the value on its standard input."""
    return subprocess.run(
        ["make", "--silent", "secret", f"KEY={key}", "STACK=gpu"],
        cwd=TOOLCHAIN.parent,
        env={"PATH": "/usr/bin:/bin", "HOME": str(shell.folder), "CP_WHISPERX_HOME": str(shell.home)},
        input=value,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("value", ["hunter2", "hunter2\n", "it's $HOME\\ \n"])
def test_a_secret_is_stored_in_a_file_only_for_its_owner_and_never_printed(shell: Shell, value: str) -> None:
    for _ in range(2):
        result = keep_secret(shell, "models.token", value)
        assert result.returncode == 0, result.stderr
        assert value.strip() not in result.stdout + result.stderr
    file = shell.home / "secrets/gpu/models.token"
    assert file.read_text().rstrip("\n") == value.rstrip("\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [other.name for other in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("key", ["", "models.tokne", "models.token tmdbApiKey", "../passphrase"])
def test_only_a_known_secret_is_stored(shell: Shell, key: str) -> None:
    result = keep_secret(shell, key, "hunter2")
    assert result.returncode != 0
    assert "KEY= one of tmdbApiKey models.token registryLogin.password" in result.stderr
    assert not (shell.home / "secrets").exists()


def test_a_secret_without_a_value_changes_nothing(shell: Shell) -> None:
    assert "no value was given" in keep_secret(shell, "tmdbApiKey", "").stderr
    assert not (shell.home / "secrets").exists()


def test_ctrl_d_at_the_prompt_is_no_value(shell: Shell) -> None:
    result = shell.run(f"script --quiet --return --command {TOOLCHAIN}/secret.sh /dev/null", KEY="tmdbApiKey")
    assert result.returncode == 1
    assert "no value was given" in result.stdout
    assert not (shell.home / "secrets").exists()


@pytest.mark.parametrize(("selected", "selects"), [("dev", False), ("", True)])
def test_a_new_stack_is_selected_only_if_none_is(shell: Shell, selected: str, *, selects: bool) -> None:
    shell.double("pulumi", f"[[ $* != *--show-name* || -n '{selected}' ]]")
    result = shell.run("init_stack", STACK="gpu")
    assert result.returncode == 0, result.stderr
    assert any("stack init gpu" in call for call in shell.calls)
    assert any("stack select gpu" in call for call in shell.calls) == selects


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PULUMI_BACKEND_URL", "file://state", "file://{here}/state"),
        ("PULUMI_BACKEND_URL", "file:///srv/state", "file:///srv/state"),
        ("PULUMI_BACKEND_URL", "file://~/state", "file://~/state"),
        ("PULUMI_BACKEND_URL", "https://api.pulumi.com", "https://api.pulumi.com"),
        ("PULUMI_CONFIG_PASSPHRASE_FILE", "phrase", "{here}/phrase"),
        ("PULUMI_CONFIG_PASSPHRASE_FILE", "/srv/phrase", "/srv/phrase"),
    ],
)
def test_relative_paths_are_those_of_the_users_folder(shell: Shell, name: str, value: str, expected: str) -> None:
    result = shell.run(f'cd "$HOME"\nexport_pulumi_environment\nprintf %s "${name}"', **{name: value})
    assert result.stdout == expected.format(here=shell.folder)


@pytest.mark.parametrize("home", [".cp-whisperx", "my home"])
def test_plain_pulumi_uses_the_home_of_make(shell: Shell, home: str) -> None:
    folder = shell.folder / home
    folder.mkdir()
    show = """ && printf '%s\n' "${CP_WHISPERX_HOME:-}" "${PULUMI_BACKEND_URL:-}" "$PULUMI_CONFIG_PASSPHRASE_FILE\""""
    script = f'settings=$({TOOLCHAIN}/env.sh)\nenv --unset=CP_WHISPERX_HOME bash -c "$settings"{quote(show)}'
    result = shell.run(script, CP_WHISPERX_HOME=str(folder))
    elsewhere = [str(folder), f"file://{folder}/state"] if home == "my home" else ["", ""]
    assert result.stdout.splitlines() == [*elsewhere, f"{folder}/passphrase"]


def test_the_wrapper_passes_its_home_on(shell: Shell) -> None:
    program = shell.home / "bin/pulumi"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf %s "$CP_WHISPERX_HOME"\n')
    program.chmod(0o755)
    result = shell.run('cd "$HOME"\nwrapper_text >wrapper\nenv --unset=CP_WHISPERX_HOME sh ./wrapper')
    assert result.stdout == str(shell.home)


@pytest.mark.parametrize("home", [None, "mine", "another's"])
def test_the_wrapper_is_written_if_there_is_none_or_it_is_this_homes(shell: Shell, home: str | None) -> None:
    wrapper = shell.folder / "bin" / "pulumi"
    wrapper.parent.mkdir()
    folder = shell.home if home == "mine" else "/other"
    before = f'#!/bin/sh\n# an older one of cp-whisperx\nhome="${{CP_WHISPERX_HOME:-{folder}}}"\n'
    if home is not None:
        wrapper.write_text(before)
        wrapper.chmod(0o755)
    result = shell.run("ensure_wrapper", CP_WHISPERX_WRAPPER=str(wrapper))
    assert result.returncode == 0, result.stderr
    written = shell.run("wrapper_text").stdout
    assert wrapper.read_text() == (before if home == "another's" else written)
