"""The host's Python environment for stack native, with doubles of Python and uv."""

import pytest

from shell import TOOLCHAIN, Shell

PYTHON = """
case "$*" in
  *version_info*) echo "${PYTHON_VERSION:-3.11}" ;;
  *import_modules*) exit "${IMPORT_STATUS:-0}" ;;
esac
"""
UV = """
if [[ $1 == venv ]]; then
  folder=${!#}
  mkdir -p "$folder/bin"
  echo 'version_info = 3.11.9' >"$folder/pyvenv.cfg"
  cp "$HOME/bin/python3.11" "$folder/bin/python"
else
  echo "no-build=$UV_NO_BUILD constraint=$UV_BUILD_CONSTRAINT" >>"$HOME/calls"
  exit "${SYNC_STATUS:-0}"
fi
"""
# The tools' environment is installed; its uv is the double.
INSTALLED = """
ensure_environment() { mkdir -p "$1/bin"; ln -sf "$(command -v uv)" "$1/bin/uv"; }
check_space() { :; }
"""
LOCK = TOOLCHAIN.parent / "docker" / "base-ml" / "requirements.cuda.lock"


@pytest.fixture
def machine(shell: Shell) -> Shell:
    shell.double("python3.11", PYTHON)
    shell.double("uv", UV)
    return shell


def make(machine: Shell, **environment: str) -> tuple[int, str]:
    result = machine.run(INSTALLED + 'ensure_native_environment "$HOME/environment" python3.11', **environment)
    return result.returncode, result.stderr


def syncs(machine: Shell) -> int:
    return sum(call.startswith("uv pip sync") for call in machine.calls)


def test_the_packages_of_the_full_images_are_installed_by_hash(machine: Shell) -> None:
    status, messages = make(machine)
    assert status == 0, messages
    (sync,) = (call for call in machine.calls if call.startswith("uv pip sync"))
    assert "--require-hashes" in sync
    assert sync.endswith(str(LOCK))
    assert f"no-build=1 constraint={LOCK}" in machine.calls


def test_a_complete_environment_is_left_alone(machine: Shell) -> None:
    make(machine)
    status, messages = make(machine)
    assert status == 0, messages
    assert "is complete" in messages
    assert syncs(machine) == 1


def test_an_interrupted_installation_is_continued(machine: Shell) -> None:
    status, messages = make(machine, SYNC_STATUS="1")
    assert status == 1
    assert "run the command again; downloads are kept" in messages
    status, messages = make(machine)
    assert status == 0, messages
    assert sum(call.startswith("uv venv") for call in machine.calls) == 1
    assert syncs(machine) == 2


def test_a_library_that_does_not_load_leaves_the_environment_incomplete(machine: Shell) -> None:
    status, messages = make(machine, IMPORT_STATUS="1")
    assert status == 1
    assert "does not load" in messages
    assert make(machine)[0] == 0


def test_a_python_other_than_the_images_is_refused(machine: Shell) -> None:
    status, messages = make(machine, PYTHON_VERSION="3.12")
    assert status == 1
    assert "the images have Python 3.11, python3.11 is 3.12" in messages
    assert "PYTHON=" in messages
    assert syncs(machine) == 0


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("pyvenv.cfg", "version = 3.12.1", "is an environment of Python 3.12, the images have 3.11"),
        ("film.mp4", "a film", "is not a Python environment"),
    ],
)
def test_a_folder_with_something_else_is_not_touched(machine: Shell, file: str, text: str, message: str) -> None:
    folder = machine.folder / "environment"
    folder.mkdir()
    (folder / file).write_text(text)
    status, messages = make(machine)
    assert status == 1
    assert message in messages
    assert [path.name for path in folder.iterdir()] == [file]
    assert syncs(machine) == 0
