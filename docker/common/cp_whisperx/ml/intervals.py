"""Intervals of time as pairs of seconds, and operations on them."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
"""Start and end, in seconds."""


def above(scores: NDArray[np.float32], step: float, onset: float, offset: float) -> list[Interval]:
    """Intervals that begin when a score reaches `onset` and end when a score falls below `offset`.

    With two thresholds (hysteresis), a score that fluctuates around one of them does not split a word.
    `step` is the duration of one score in seconds.
    """
    found: list[Interval] = []
    start: int | None = None
    for index, score in enumerate(scores):
        if start is None and score >= onset:
            start = index
        elif start is not None and score < offset:
            found.append((start * step, index * step))
            start = None
    if start is not None:
        found.append((start * step, len(scores) * step))
    return found


def joined(intervals: Iterable[Interval], gap: float) -> list[Interval]:
    """The intervals in order of time; those that overlap or are at most `gap` seconds apart are merged."""
    result: list[Interval] = []
    for start, end in sorted(intervals):
        if result and start - result[-1][1] <= gap:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def at_least(intervals: Iterable[Interval], seconds: float) -> list[Interval]:
    """The intervals that are not shorter than `seconds`."""
    return [(start, end) for start, end in intervals if end - start >= seconds]


def widened(intervals: Iterable[Interval], seconds: float, duration: float) -> list[Interval]:
    """The intervals with `seconds` added on either side, clipped to the film, and merged if they overlap."""
    return joined(((max(0.0, start - seconds), min(duration, end + seconds)) for start, end in intervals), 0.0)


def grouped(intervals: Iterable[Interval], longest: float, gap: float) -> list[Interval]:
    """Merges neighbours with pauses of at most `gap` seconds into intervals of at most `longest` seconds.

    An interval that is longer than `longest` by itself stays whole.
    """
    result: list[Interval] = []
    for start, end in intervals:
        if result and end - result[-1][0] <= longest and start - result[-1][1] <= gap:
            result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result


def without(intervals: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """The intervals minus the others, in order of time."""
    gone = joined(others, 0.0)
    result: list[Interval] = []
    for start, end in intervals:
        for other_start, other_end in gone:
            if start < other_start < end:
                result.append((start, other_start))
            if other_start < end and other_end > start:
                start = other_end  # noqa: PLW2901 - the rest is looked at on
        if start < end:
            result.append((start, end))
    return result


def overlap(one: Interval, other: Interval) -> float:
    """Seconds that two intervals share."""
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def covered(interval: Interval, by: Sequence[Interval]) -> float:
    """The share of an interval, 0 to 1, that the others cover; the others do not overlap each other."""
    length = interval[1] - interval[0]
    return min(1.0, sum(overlap(interval, other) for other in by) / length) if length > 0 else 0.0
