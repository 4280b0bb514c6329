"""The times of words: who finds them, and that aligned ones fit."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr import STAGE, AsrSettings
from cp_whisperx.ml.hub import ModelAbsent
from cp_whisperx.ml.intervals import Interval
from cp_whisperx.ml.whisper import Heard, HeardWord
from cp_whisperx.stage import StageError
from word_times import MODELS, fitted, open_aligner, within_speech


def words(*spans: Interval) -> tuple[HeardWord, ...]:
    return tuple(HeardWord(start, end, f" word{index}", 0.9) for index, (start, end) in enumerate(spans))


def spans(found: tuple[HeardWord, ...]) -> list[Interval]:
    return [(word.start, word.end) for word in found]


def test_a_word_that_was_not_found_keeps_its_time_between_those_that_were() -> None:
    heard = words((0, 1), (1, 2), (2, 3))
    assert spans(fitted(heard, [(0.2, 0.8), None, (2.1, 2.9)])) == [(0.2, 0.8), (1, 2), (2.1, 2.9)]
    assert spans(fitted(heard, [(0.2, 1.5), None, (1.7, 2.9)])) == [(0.2, 1.5), (1.5, 1.7), (1.7, 2.9)]


def test_what_was_found_outside_of_the_stretch_is_cut_off() -> None:
    assert spans(fitted(words((1, 2), (2, 3)), [(0.5, 1.6), (2.5, 3.5)])) == [(1, 1.6), (2.5, 3)]


SECONDS = st.floats(0, 30, allow_nan=False)
SPANS = st.tuples(SECONDS, SECONDS).map(lambda pair: (min(pair), max(pair)))


@st.composite
def stretches(draw: st.DrawFn) -> tuple[tuple[HeardWord, ...], list[Interval | None]]:
    """Words with times that do not run backwards, and whatever was found for each."""
    times = sorted(draw(st.lists(SECONDS, min_size=2, max_size=24)))
    heard = words(*zip(times[::2], times[1::2], strict=False))
    return heard, draw(st.lists(SPANS | st.none(), min_size=len(heard), max_size=len(heard)))


@given(stretches())
def test_times_stay_in_order_within_the_stretch_and_no_text_is_lost(
    stretch: tuple[tuple[HeardWord, ...], list[Interval | None]],
) -> None:
    heard, found = stretch
    result = fitted(heard, found)
    assert [(word.text, word.probability) for word in result] == [(word.text, word.probability) for word in heard]
    times = [second for span in spans(result) for second in span]
    assert times == sorted(times)
    assert heard[0].start <= times[0]
    assert times[-1] <= heard[-1].end


@given(stretches())
def test_where_nothing_was_found_nothing_changes(stretch: tuple[tuple[HeardWord, ...], object]) -> None:
    heard, _ = stretch
    assert fitted(heard, [None] * len(heard)) == heard


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The warnings of a worker that has torch and uses the hub's models, with none of them in its cache."""
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path))
    monkeypatch.setattr("word_times.torch_is_here", lambda: True)
    monkeypatch.setattr("word_times.uses_torch_models", lambda: True)
    return []


def test_it_warns_of_a_model_that_is_not_in_the_cache(said: list[str]) -> None:
    assert open_aligner("en", AsrSettings(), said.append) is None
    assert [MODELS["en"] in text for text in said] == [True]
    assert "make models" in said[0]


def test_it_does_not_warn_of_a_language_without_a_model(said: list[str]) -> None:
    assert open_aligner("hi", AsrSettings(), said.append) is None
    assert open_aligner("en", AsrSettings(whisper_align="never"), said.append) is None
    assert said == []


def test_an_image_without_torch_uses_whispers_times(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("word_times.uses_torch_models", lambda: False)
    monkeypatch.setattr("word_times.torch_is_here", lambda: False)
    assert open_aligner("en", AsrSettings(), said.append) is None
    assert said == []
    with pytest.raises(StageError, match=r"needs torch.*WHISPER_ALIGN=always"):
        open_aligner("en", AsrSettings(whisper_align="always"), said.append)


def test_always_refuses_what_cannot_be_aligned(said: list[str]) -> None:
    with pytest.raises(StageError, match=r"alignment model for hi.*WHISPER_ALIGN=always"):
        open_aligner("hi", AsrSettings(whisper_align="always"), said.append)
    with pytest.raises(ModelAbsent, match=MODELS["en"]):
        open_aligner("en", AsrSettings(whisper_align="always"), said.append)
    with pytest.raises(ValueError, match=r"WHISPER_ALIGN=always.*WHISPER_TASK=translate"):
        AsrSettings(whisper_align="always", whisper_task="translate")


def test_the_result_depends_on_the_model_that_aligns(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert said == []
    monkeypatch.setattr("asr.weights_version", lambda _name: "base 1")
    depends = STAGE.depends
    assert depends
    assert depends(AsrSettings()) == f"base 1 {MODELS['en']}@absent"
    assert depends(AsrSettings(whisper_align="never")) == "base 1"


@pytest.mark.parametrize(
    ("word", "clipped"),
    [
        ((0.5, 2.5), (1.0, 2.5)),
        ((1.5, 3.5), (1.5, 3.0)),
        ((0.5, 6.5), (1.0, 6.0)),
        ((2.5, 5.5), (2.5, 5.5)),
        ((3.2, 4.8), (3.2, 4.8)),
        ((8.0, 9.0), (8.0, 9.0)),
    ],
)
def test_a_word_does_not_reach_into_silence(word: tuple[float, float], clipped: tuple[float, float]) -> None:
    (stretch,) = within_speech([Heard((HeardWord(*word, " word", 0.9),))], [(1.0, 3.0), (5.0, 6.0)])
    assert stretch.interval == clipped


TIMES = st.lists(st.floats(0, 100), max_size=20).map(sorted)


@given(TIMES, TIMES)
def test_clipped_words_stay_in_order(times: list[float], edges: list[float]) -> None:
    words = tuple(HeardWord(start, end, " word", 0.9) for start, end in pairwise(times))
    speech = list(zip(edges[::2], edges[1::2], strict=False))
    for stretch in within_speech([Heard(words)], speech) if words else []:
        assert all(word.start <= word.end for word in stretch.words)
        assert all(before.start <= after.start for before, after in pairwise(stretch.words))
