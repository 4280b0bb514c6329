"""Shortens Pulumi's output for a log or CI: `pulumi up | quiet.py LOG`.

Without a terminal Pulumi prints a row for each line of a build log. This filter prints two rows for an image or a
command, at its start and its end, and one row for any other resource, at its end. The rows of a command show its latest
message, and its progress now and then. If a build fails, the end of its log follows. LOG has every row. Neither a full
disk nor a reader that is gone ends the filter: Pulumi would die in the middle of a deployment.
"""

import re
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from io import FileIO, TextIOWrapper

# " ~  docker-build:index:Image asr updating (1s) [diff: ~context]; #5 DONE 0.0s"
_ROW = re.compile(
    r"^(?P<row> *[ +~<>=-]* *(?P<type>[\w-]+:[\w/-]+:[\w-]+) (?P<name>\S+) (?P<state>[a-z ]+?) \([\d.]+s\))"
    r"(?: \[diff: [^]]*\];?)?(?: (?P<message>.*))?$"
)
# Progress lines, and rows of the stack itself: Diagnostics repeats its messages.
_NO_NEWS = re.compile(r"^@ \w+ing\b|^ *[ +~<>=-]* *(?:cp-whisperx:\S+|pulumi:pulumi:Stack) [^(]")
_FAILED = re.compile(r"^ *[ +~<>=-]* *[\w-]+:[\w/-]+:Image (?P<name>\S+) \*\*[a-z ]+\*\*")
# In Diagnostics, the Node error that follows from a failed image; the image's own error is there as well.
_UNHANDLED = re.compile(r"^ *error: Running program '.*' failed with an unhandled exception:$")
_NOT_REGISTERED = re.compile(r"^(?P<indent> +)\S.*: resource (?P<name>\S+) \[[^]]*:Image\] failed to register\]")
# BuildKit's lines for a step; the group is the step's number.
_STEP = re.compile(r"^#(\d+) \[[^]]*\d/\d+\] (?:RUN|COPY|ADD)\b")
_ERROR = re.compile(r"^#(\d+) ERROR: (?!failed to configure registry cache)")
_QUOTED = 15
# Seconds between two rows of a command that reports its progress.
_PROGRESS = 15.0


def build_result(build: list[str]) -> str:
    """Returns " cached" if every step was a cache hit, " built" if one ran, and "" if the log does not show it."""
    steps = {found[1] for line in build if (found := _STEP.match(line))}
    cached = {step for step in steps if f"#{step} CACHED" in build}
    done = {line.split()[0] for line in build if " DONE " in line}
    if any(f"#{step}" in done for step in steps - cached):
        return " built"
    return " cached" if steps and steps == cached else ""


def error_lines(build: list[str]) -> list[str]:
    """The last lines of the failed step, or of the whole build log if no step reports an error."""
    failed = next((found[1] for line in reversed(build) if (found := _ERROR.match(line))), None)
    lines = [line for line in build if line.startswith(f"#{failed} ")] if failed else build
    return lines[-_QUOTED:]


def without_node_errors(lines: Iterable[str], failed: Container[str]) -> Iterator[str]:
    """Drops the Node errors that follow from failed images: a heading, a line with the image, the error's fields."""
    rest = iter(lines)
    for line in rest:
        if not _UNHANDLED.match(line):
            yield line
            continue
        error = next(rest, "")
        image = _NOT_REGISTERED.match(error)
        if image is None or image["name"] not in failed:
            yield from (line, error)
            continue
        after = next((other for other in rest if not other.startswith(image["indent"] + " ")), "")
        if after != image["indent"] + "}":
            yield after


def quiet(lines: Iterable[str], log_name: str) -> Iterator[str]:
    """Yields the lines to show, as they arrive."""
    builds: dict[str, list[str]] = defaultdict(list)
    said: dict[str, str] = {}
    printed: dict[str, float] = {}
    failed: set[str] = set()
    for line in without_node_errors(lines, failed):
        if _NO_NEWS.match(line):
            continue
        if failure := _FAILED.match(line):
            failed.add(failure["name"])
            yield line
            yield f"    the end of its build, all of which is in {log_name}:"
            yield from (f"    | {text}" for text in error_lines(builds[failure["name"]]))
            continue
        row = _ROW.match(line)
        if row is None:
            yield line
            continue
        kind = row["type"].rpartition(":")[2]
        begins = row["state"].split()[0].endswith("ing")
        key = f"{row['type']} {row['name']} {row['state']}"
        if kind == "Image" and row["message"]:
            builds[row["name"]].append(row["message"])
        if kind == "Command" and row["message"]:
            said[row["name"]] = f" {row['message']}"
        if begins and kind not in ("Image", "Command"):
            continue
        reports_again = begins and kind == "Command" and time.monotonic() > printed.get(key, 0) + _PROGRESS
        if key in printed and not reports_again:
            continue
        printed[key] = time.monotonic()
        result = "" if begins or kind != "Image" else build_result(builds[row["name"]])
        yield row["row"] + result + said.get(row["name"], "") * (kind == "Command")


def logged(lines: Iterable[str], log: FileIO) -> Iterator[str]:
    """Yields each line after writing it to the log."""
    for line in lines:
        write(log, line)
        yield line.rstrip("\n")


def write(file: FileIO, text: str) -> None:
    """Ignores errors. A FileIO has no buffer: after a failure nothing is left to write when the file is closed."""
    with suppress(OSError):
        file.write(text.encode())


def main(log_name: str) -> None:
    """Ends when Pulumi closes its output. Ignores Ctrl-C: Pulumi writes until it has released its lock."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # A carriage return, as of a progress bar in a build, ends no row.
    lines = TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace", newline="\n")
    with FileIO(log_name, "w") as log, FileIO(sys.stdout.fileno(), "w", closefd=False) as output:
        for line in quiet(logged(lines, log), log_name):
            write(output, line + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
