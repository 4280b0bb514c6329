"""Stretches of time."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cp_whisperx.ml.intervals import Interval, above, at_least, covered, grouped, joined, overlap, widened, without

SECONDS = st.integers(0, 400).map(lambda tenths: tenths / 8)
INTERVALS = st.lists(st.tuples(SECONDS, SECONDS).map(lambda pair: (min(pair), max(pair))), max_size=12)
SCORES = st.lists(st.sampled_from([0.0, 0.3, 0.4, 0.6, 1.0]), max_size=40)


def total(intervals: list[Interval]) -> float:
    return sum(end - start for start, end in intervals)


def test_speech_begins_at_the_onset_and_ends_below_the_offset() -> None:
    scores = np.array([0.4, 0.5, 0.4, 0.4, 0.3, 0.6, 0.6], np.float32)
    assert above(scores, 1.0, 0.5, 0.35) == [(1.0, 4.0), (5.0, 7.0)]


@given(SCORES)
def test_every_score_above_the_onset_is_inside_and_every_one_below_the_offset_outside(scores: list[float]) -> None:
    found = above(np.array(scores, np.float32), 1.0, 0.5, 0.35)
    inside = {index for start, end in found for index in range(int(start), int(end))}
    assert {index for index, score in enumerate(scores) if score >= 0.5} <= inside
    assert not {index for index, score in enumerate(scores) if score < 0.35} & inside


@given(INTERVALS, SECONDS)
def test_joined_intervals_are_in_order_and_farther_apart_than_the_gap(intervals: list[Interval], gap: float) -> None:
    result = joined(intervals, gap)
    assert all(later[0] - earlier[1] > gap for earlier, later in pairwise(result))
    assert all(covered(interval, result) == 1.0 for interval in intervals if interval[1] > interval[0])


@given(INTERVALS, INTERVALS)
def test_what_is_taken_away_and_what_is_left_make_up_the_whole(one: list[Interval], other: list[Interval]) -> None:
    whole, gone = joined(one, 0.0), joined(other, 0.0)
    left = without(whole, gone)
    shared = sum(overlap(interval, away) for interval in whole for away in gone)
    assert total(left) == total(whole) - shared
    assert all(overlap(interval, away) == 0 for interval in left for away in gone)


@given(INTERVALS, st.integers(1, 30), SECONDS)
def test_groups_keep_every_interval_and_the_length(intervals: list[Interval], longest: int, gap: float) -> None:
    pieces = joined(intervals, 0.0)
    groups = grouped(pieces, longest, gap)
    assert all(any(start <= piece[0] and piece[1] <= end for start, end in groups) for piece in pieces)
    assert all(end - start <= longest or (start, end) in pieces for start, end in groups)


def test_short_intervals_go_and_wide_ones_stay_within_the_film() -> None:
    assert at_least([(0.0, 0.1), (1.0, 2.0)], 0.5) == [(1.0, 2.0)]
    assert widened([(0.1, 1.0), (1.3, 2.0)], 0.25, 2.1) == [(0.0, 2.1)]
