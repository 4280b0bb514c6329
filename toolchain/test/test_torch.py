"""make test-torch, with doubles of Python and uv."""

import pytest

from shell import TOOLCHAIN, Shell
from test_native_environment import INSTALLED, UV
from test_runner import RUNNER

LOCK = TOOLCHAIN.parent / "docker" / "torch-tests.lock"
# Writes a report of two tests, with WITHOUT of them skipped.
PYTHON = """
while [[ $1 != --junitxml ]]; do shift; done
echo "<testsuite tests='2' failures='0' errors='0' skipped='$WITHOUT'/>" >"$2"
shift 2
printf '%s\\n' "$@" >"$HOME/given"
"""


def test_the_packages_of_the_full_images_and_those_of_the_tests_are_installed_once_by_hash(shell: Shell) -> None:
    shell.double("python3", "echo 3.11")
    shell.double("python3.11")
    shell.double("uv", UV)
    for _ in range(2):
        result = shell.run(f"{INSTALLED}\nensure_torch_environment")
        assert result.returncode == 0, result.stderr
    (sync, install) = (call for call in shell.calls if call.startswith("uv pip"))
    assert sync.startswith("uv pip sync")
    assert "--require-hashes" in sync
    assert install.startswith("uv pip install")
    assert install.endswith(f"--require-hashes --requirement {LOCK}")


@pytest.mark.parametrize(("skipped", "status"), [(0, 0), (1, 1)])
def test_a_test_that_is_skipped_with_torch_is_a_failure(shell: Shell, skipped: int, status: int) -> None:
    shell.double("python", PYTHON)
    own = f'TORCH_ENVIRONMENT="{shell.folder}"\nensure_torch_environment() {{ :; }}'
    result = shell.run(f"{RUNNER}\n{own}\nmain torch", WITHOUT=str(skipped))
    assert result.returncode == status, result.stderr
    assert result.stdout == f"{2 - skipped} passed, {skipped} failed, 0 skipped\n"
    given = (shell.folder / "given").read_text().splitlines()
    assert "diarization/test_hub_diarization.py" in given
    assert all(name.endswith(".py") for name in given if not name.startswith("-"))
