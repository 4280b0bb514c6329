"""Child processes of a stage: each has its own process group, so that none outlives the stage."""

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, Final

_LAST_LINES: Final = 40
_groups: Final[set[int]] = set()
_guard: Final = threading.Lock()


class ChildFailed(Exception):  # noqa: N818 - reads as what happened
    """A program exited with an error; `said` has the last lines of its standard error."""

    def __init__(self, program: str, status: int, said: str) -> None:
        super().__init__(f"{program} ended with status {status}: {said}")
        self.program = program
        self.status = status
        self.said = said


def run_child(arguments: Sequence[str], on_line: Callable[[str], None] | None = None) -> str:
    """Runs a program and returns its standard output, or passes each line to `on_line` and returns an empty text.

    Standard input is empty. Raises ChildFailed if the exit status is not 0, FileNotFoundError if there is no such
    program.
    """
    with subprocess.Popen(  # noqa: S603 - arguments are a list, no shell reads them
        list(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as child:
        with _guard:
            _groups.add(child.pid)
        last: deque[str] = deque(maxlen=_LAST_LINES)
        listener = threading.Thread(target=_collect, args=(child.stderr, last.append), daemon=True)
        listener.start()
        kept: list[str] = []
        try:
            _collect(child.stdout, on_line or kept.append)
            status = child.wait()
        finally:
            _kill(child.pid)
            with _guard:
                _groups.discard(child.pid)
        listener.join()
    if status != 0:
        raise ChildFailed(arguments[0], status, "".join(last).strip())
    return "".join(kept)


def kill_children() -> None:
    """Kills all running child processes with their own children."""
    with _guard:
        groups = list(_groups)
    for group in groups:
        _kill(group)


def _collect(stream: IO[str] | None, take: Callable[[str], None]) -> None:
    if stream is not None:
        for line in stream:
            take(line)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
