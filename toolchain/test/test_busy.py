"""make test-busy, with a double of make and a small load."""

import pytest

from shell import TOOLCHAIN, Shell
from test_process import is_alive

# The load's processes record their process ids; the rest is test-busy.sh as it is.
BUSY = f"""
{"".join((TOOLCHAIN / "test-busy.sh").read_text().partition("LOOPS=")[1:]).rpartition("main")[0]}
LOOPS=2 WRITTEN_MEGABYTES=1
endless_loop() {{ echo "$BASHPID" >>"$HOME/load"; sleep 300; }}
"""
LIVING = 'while read -r process; do kill -0 "$process" || exit 7; done <"$HOME/load"'


@pytest.mark.parametrize(("failing", "status"), [("none", 0), ("test", 1)])
def test_the_load_runs_during_the_commands_and_ends_with_them(shell: Shell, failing: str, status: int) -> None:
    shell.double("make", f"if [[ -e $HOME/load ]]; then {LIVING}; fi\n[[ $1 != {failing} ]]")
    result = shell.run(f"{BUSY}main")
    assert result.returncode == status, result.stderr
    assert shell.calls == ["make up"] * 3 + ["make test"]
    load = [int(number) for number in (shell.folder / "load").read_text().split()]
    assert len(load) == 2
    assert not any(is_alive(process) for process in load)
    assert ("error: failed: make test;" in result.stderr) is (status == 1)


def test_no_load_starts_if_make_up_fails(shell: Shell) -> None:
    shell.double("make", "exit 1")
    assert shell.run(f"{BUSY}main").returncode == 1
    assert shell.calls == ["make up"]
    assert not (shell.folder / "load").exists()


def test_a_load_that_ends_early_is_a_failure(shell: Shell) -> None:
    shell.double("make", "if [[ $1 == test ]]; then sleep 1; fi")
    shell.double("dd", "exit 1")
    result = shell.run(f"{BUSY}main")
    assert result.returncode == 1
    assert "the load ended before the commands" in result.stderr
