"""The output of a deployment without a terminal."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shell import TOOLCHAIN, Shell

sys.path.insert(0, str(TOOLCHAIN))

from quiet import quiet

UPDATE = """\
Updating (dev):
@ updating....
 ~  docker-build:index:Image asr updating (0s) [diff: ~context,tags]
 +  cp-whisperx:images:StageImage mux creating (0s)
 ~  docker-build:index:Image asr updating (0s) [diff: ~context,tags]; #4 ERROR: failed to configure registry cache
 ~  docker-build:index:Image asr updating (1s) [diff: ~context,tags]; #5 [stage-1 2/2] COPY *.py /opt/
 +  docker-build:index:Image mux creating (0s)
 +  docker-build:index:Image mux creating (1s) #3 [2/2] RUN true
 +  docker-build:index:Image mux creating (1s) #3 CACHED
 ~  docker-build:index:Image asr updating (1s) [diff: ~context,tags]; #5 DONE 0.1s
 ~  docker-build:index:Image asr updated (2s) [diff: ~context,tags];
 +  docker-build:index:Image mux created (1s) #9 exporting
 +  docker-build:index:Image mux created (1s)
 +- docker:index:Container asr replacing (0s)
 ++ docker:index:Container asr created replacement (5s)
    pulumi:pulumi:Stack cp-whisperx-dev running images: 1 rebuilt
Diagnostics:
  pulumi:pulumi:Stack (cp-whisperx-dev):
    images: 1 rebuilt (asr: own sources), 20 unchanged; containers: unchanged; volumes: unchanged
""".splitlines()


def test_an_image_has_a_line_when_it_starts_and_one_when_it_ends() -> None:
    assert list(quiet(UPDATE, "log")) == [
        "Updating (dev):",
        " ~  docker-build:index:Image asr updating (0s)",
        " +  docker-build:index:Image mux creating (0s)",
        " ~  docker-build:index:Image asr updated (2s) built",
        " +  docker-build:index:Image mux created (1s) cached",
        " ++ docker:index:Container asr created replacement (5s)",
        *UPDATE[-3:],
    ]


def test_a_build_with_an_incomplete_log_is_called_neither_built_nor_cached() -> None:
    row = " +  docker-build:index:Image mux creating (1s) "
    lines = [row + line for line in ("#3 [2/3] RUN true", "#3 CACHED", "#4 [3/3] COPY a b")]
    assert list(quiet([*lines, " +  docker-build:index:Image mux created (1s)"], "log"))[-1].endswith("created (1s)")


def test_a_failed_build_is_quoted_from_the_step_that_failed() -> None:
    row = " +  docker-build:index:Image tmdb creating (1s) "
    build = ["#4 ERROR: failed to configure registry cache importer", "#7 [2/3] RUN false", "#8 CACHED", "#7 0.1 no"]
    failure = " +  docker-build:index:Image tmdb **creating failed** error: failed to solve"
    lines = [row + line for line in [*build, '#7 ERROR: process "false" failed', "#9 CANCELED"]]
    assert list(quiet([*lines, failure], "pulumi.log"))[1:] == [
        failure,
        "    the end of its build, all of which is in pulumi.log:",
        "    | #7 [2/3] RUN false",
        "    | #7 0.1 no",
        '    | #7 ERROR: process "false" failed',
    ]


FAILURE = " ~  docker-build:index:Image tmdb **updating failed** [diff: ~context]; error: failed to solve"
DIAGNOSTICS = [
    "  pulumi:pulumi:Stack (cp-whisperx-dev):",
    "    error: Running program '/home/me/index.ts' failed with an unhandled exception:",
    (
        '    \x1b[36m<ref *1>\x1b[39m [Error: error serializing property "name": resource tmdb '
        "[docker-build:index:Image] failed to register] {"
    ),
    "      promise: Promise { \x1b[36m<rejected>\x1b[39m \x1b[36m[Circular *1]\x1b[39m }",
    "    }",
    "    images: 1 failed (tmdb: own sources), 20 unchanged",
    "",
]


def test_the_node_error_that_follows_from_a_failed_image_is_left_out() -> None:
    shown = list(quiet([FAILURE, *DIAGNOSTICS], "log"))
    assert shown[2:] == [DIAGNOSTICS[0], *DIAGNOSTICS[5:]]
    # The error may have no fields.
    bare = [*DIAGNOSTICS[:2], DIAGNOSTICS[2].removesuffix(" {"), *DIAGNOSTICS[5:]]
    assert list(quiet([FAILURE, *bare], "log"))[2:] == [DIAGNOSTICS[0], *DIAGNOSTICS[5:]]


def test_any_other_node_error_is_shown() -> None:
    assert list(quiet(DIAGNOSTICS, "log")) == DIAGNOSTICS
    other = [*DIAGNOSTICS[:2], "    TypeError: images.named is not a function", *DIAGNOSTICS[5:]]
    assert list(quiet([FAILURE, *other], "log"))[2:] == other
    assert list(quiet(DIAGNOSTICS[:2], "log"))[:2] == DIAGNOSTICS[:2]


@pytest.mark.parametrize("full", ["log", "output"])
def test_neither_a_full_disk_nor_a_strange_byte_ends_the_filter(tmp_path: Path, full: str) -> None:
    log = Path("/dev/full") if full == "log" else tmp_path / "log"
    output = Path("/dev/full") if full == "output" else tmp_path / "output"
    with output.open("wb") as file:
        result = subprocess.run(
            [sys.executable, str(TOOLCHAIN / "quiet.py"), str(log)],
            input=b"caf\xe9\nlast\n",
            stdout=file,
            stderr=subprocess.PIPE,
            env={"LC_ALL": "C", "PYTHONUTF8": "0"},
            check=False,
        )
    assert (result.returncode, result.stderr) == (0, b"")
    written = output if full == "log" else log
    assert written.read_text(encoding="utf-8") == "caf\ufffd\nlast\n"


def test_a_carriage_return_in_a_build_ends_no_row(tmp_path: Path) -> None:
    row = b" ~  docker-build:index:Image tmdb "
    result = subprocess.run(
        [sys.executable, str(TOOLCHAIN / "quiet.py"), str(tmp_path / "log")],
        input=row + b"updating (0s)\n" + row + b"updating (1s) #7 (Reading database ... 5%\r10%\r15%\n",
        stdout=subprocess.PIPE,
        check=True,
    )
    assert result.stdout == row + b"updating (0s)\n"


def test_the_log_has_every_line_until_pulumi_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, str(TOOLCHAIN / "quiet.py"), str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(UPDATE[0] + "\n")
        process.stdin.flush()
        process.stdout.readline()
        # Ctrl-C reaches every process; Pulumi still writes after it. The reader may be gone.
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        process.stdin.write("\n".join(UPDATE[1:]) + "\n")
        process.stdin.close()
        assert process.wait(timeout=60) == 0
    assert log.read_text() == "\n".join(UPDATE) + "\n"


def test_the_exit_status_is_pulumis(shell: Shell) -> None:
    shell.double("pulumi", "echo ' +  docker-build:index:Image asr created (1s)'; exit 255")
    result = shell.run("show_pulumi up --yes")
    assert result.returncode == 255
    assert "Image asr created (1s)\n" in result.stdout
    assert (shell.home / "log" / "pulumi-up-dev.log").exists()


def test_on_a_terminal_pulumi_shows_its_own_display(shell: Shell) -> None:
    shell.double("pulumi", '[[ -t 1 && "$*" != *--non-interactive* ]] && exit 7')
    result = shell.run(
        f"""script --quiet --return --command 'bash -c "source {TOOLCHAIN}/load.sh; show_pulumi up"' /dev/null"""
    )
    assert result.returncode == 7


def test_a_command_shows_its_latest_message_and_its_progress_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 1.0, 20.0, 20.0, 21.0, 22.0])
    monkeypatch.setattr("quiet.time.monotonic", lambda: next(clock))
    row = " +  command:local:Command model-cache-fill "
    lines = [
        f"{row}creating (0s) ",
        f"{row}creating (1s) models: 1 of 2",
        f"{row}creating (20s) models: 2 of 2",
        f"{row}creating (21s) models: /models: 2 files there, 2 of them copied now",
        f"{row}created (21s) ",
    ]
    assert list(quiet(lines, "log")) == [
        f"{row}creating (0s)",
        f"{row}creating (20s) models: 2 of 2",
        f"{row}created (21s) models: /models: 2 files there, 2 of them copied now",
    ]
