"""Long work that may fail temporarily: with progress reports, retries and a time limit."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LONGEST_PAUSE: Final = 30.0


class TimeIsUp(Exception):  # noqa: N818 - reads as what happened
    """The time limit has passed; the work may still be running in another thread."""


@dataclass(frozen=True)
class Patience:
    """The time limit and the retries."""

    deadline: float
    """In seconds of `time.monotonic()`."""
    attempts: int
    """Attempts in a row without any new data."""
    pause: float
    """Seconds before the first retry; doubles with each further one, up to 30."""
    report_seconds: float
    """Seconds between two reports."""


@dataclass
class _Outcome(Generic[T]):
    """The result of the work; written by its thread, read after the thread has ended."""

    values: list[T] = field(default_factory=list)
    error: Exception | None = None


def watched(work: Callable[[], T], patience: Patience, report: Callable[[], None]) -> T:
    """Runs the work in its own thread and calls `report` meanwhile; raises the work's error, or TimeIsUp."""
    outcome = _Outcome[T]()

    def run() -> None:
        try:
            outcome.values.append(work())
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            outcome.error = error

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    while worker.is_alive():
        left = patience.deadline - time.monotonic()
        if left <= 0:
            raise TimeIsUp
        worker.join(min(patience.report_seconds, left))
        if worker.is_alive():
            report()
    if outcome.error:
        raise outcome.error
    return outcome.values[0]


def tried_again(
    work: Callable[[], T],
    patience: Patience,
    may_pass: Callable[[Exception], bool],
    arrived: Callable[[], int],
    say: Callable[[str], None],
) -> T:
    """Retries the work while its error is temporary and either new data arrived or attempts are left.

    `arrived` returns the bytes received so far. Raises the last error, or TimeIsUp.
    """
    failures = 0
    while True:
        before = arrived()
        try:
            return work()
        except TimeIsUp:
            raise
        except Exception as error:
            failures = 1 if arrived() > before else failures + 1
            if failures >= patience.attempts or not may_pass(error):
                raise
            pause = min(patience.pause * 2 ** (failures - 1), _LONGEST_PAUSE)
            say(f"interrupted ({type(error).__name__}); retrying in {pause:.0f} s")
            if time.monotonic() + pause >= patience.deadline:
                raise TimeIsUp from error
            time.sleep(pause)
