"""Work that takes long and may fail for a while: watched, tried again, and ended by a time limit."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LONGEST_PAUSE: Final = 30.0


class TimeIsUp(Exception):  # noqa: N818 - reads as what happened
    """The time limit has passed; the work may still go on in another thread."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try."""

    deadline: float
    """By `time.monotonic()`."""
    attempts: int
    """Tries in a row in which nothing new arrives."""
    pause: float
    """Seconds before the second try; each further one waits twice as long, at most half a minute."""
    report_seconds: float
    """Seconds between two reports."""


@dataclass
class _Outcome(Generic[T]):
    """What came of the work; written by its thread, read after that has ended."""

    values: list[T] = field(default_factory=list)
    error: Exception | None = None


def watched(work: Callable[[], T], patience: Patience, report: Callable[[], None]) -> T:
    """Does the work in a thread of its own, reporting meanwhile; raises what it raises, or TimeIsUp."""
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
    """Does the work again while its error may pass and something new arrives, or some tries are left.

    `arrived` tells how much is there. Raises the last error, or TimeIsUp.
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
            say(f"interrupted ({type(error).__name__}); going on in {pause:.0f} s")
            if time.monotonic() + pause >= patience.deadline:
                raise TimeIsUp from error
            time.sleep(pause)
