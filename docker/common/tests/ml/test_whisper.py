"""Whisper's text: what is kept, and what is heard again."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cp_whisperx.ml import whisper
from cp_whisperx.ml.whisper import Heard, HeardWord, Hearing, find_language, passed_over, transcribe
from sounds import silence, sound_of

HEARING = Hearing(language="en", task="transcribe", beam_size=1, batch_size=1, piece_seconds=16, hotwords=None)


def heard(*times: tuple[float, float]) -> Heard:
    return Heard(tuple(HeardWord(start, end, " word", 0.9) for start, end in times))


def segment(
    start: float, end: float, *, compression: float = 1.0, log_probability: float = -0.2, text: str = " word"
) -> SimpleNamespace:
    word = SimpleNamespace(start=start, end=end, word=text, probability=0.9)
    return SimpleNamespace(words=[word], compression_ratio=compression, avg_logprob=log_probability)


class FakeModel:
    """Hears what it is told, and remembers what it was given."""

    def __init__(self, *again: SimpleNamespace) -> None:
        self.again = again
        self.lengths: list[float] = []

    def transcribe(self, samples: Any, **_options: object) -> tuple[Iterator[SimpleNamespace], None]:
        self.lengths.append(len(samples) / 16_000)
        return iter(self.again), None


class FakePipeline:
    """Hears these segments in the first block, and nothing after it."""

    segments: tuple[SimpleNamespace, ...] = ()
    blocks: list[float]

    def __init__(self, _model: object) -> None:
        """Takes the model."""

    def transcribe(self, samples: Any, **_options: object) -> tuple[Iterator[SimpleNamespace], None]:
        self.blocks.append(len(samples) / 16_000)
        return iter(self.segments), None


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> type[FakePipeline]:
    monkeypatch.setattr(whisper, "BatchedInferencePipeline", FakePipeline)
    FakePipeline.segments, FakePipeline.blocks = (), []
    return FakePipeline


def test_speech_without_words_was_passed_over() -> None:
    assert passed_over([(0.0, 2.0), (5.0, 9.0)], [heard((0.1, 1.8), (5.0, 5.5))]) == [(5.9, 9.0)]


def test_a_pause_between_words_is_not_passed_over() -> None:
    assert passed_over([(0.0, 3.0)], [heard((0.0, 1.0), (2.0, 3.0))]) == []


def test_what_was_passed_over_is_heard_again_by_itself(pipeline: type[FakePipeline]) -> None:
    pipeline.segments = (segment(0.1, 3.0),)
    model: Any = FakeModel(segment(0.2, 2.0))
    found = transcribe(model, sound_of(silence(20)), [(1.0, 4.0), (10.0, 13.0)], HEARING, lambda _done: None)
    assert model.lengths == [pytest.approx(3.2)]
    times = [time for stretch in found for time in stretch.interval]
    assert times == pytest.approx([1.0, 3.9, 10.1, 11.9])


@pytest.mark.parametrize("doubtful", [{"compression": 3.0}, {"log_probability": -1.5}])
def test_a_loop_or_a_guess_is_heard_again(pipeline: type[FakePipeline], doubtful: dict[str, Any]) -> None:
    pipeline.segments = (segment(0.0, 4.0, **doubtful),)
    model: Any = FakeModel(segment(0.0, 4.0))
    found = transcribe(model, sound_of(silence(10)), [(2.0, 6.0)], HEARING, lambda _done: None)
    assert len(model.lengths) == 1
    assert len(found) == 1


def test_an_invented_phrase_is_heard_again(pipeline: type[FakePipeline]) -> None:
    pipeline.segments = (segment(0.0, 4.0, text=" Thanks for watching!"),)
    model: Any = FakeModel(segment(0.0, 4.0))
    found = transcribe(model, sound_of(silence(10)), [(2.0, 6.0)], HEARING, lambda _done: None)
    assert [stretch.text for stretch in found] == ["word"]


def test_a_long_film_is_heard_in_blocks_that_fit_in_memory(pipeline: type[FakePipeline]) -> None:
    speech = [(float(start), float(start + 5)) for start in range(0, 3600, 20)]
    done: list[float] = []
    model: Any = FakeModel()
    transcribe(model, sound_of(silence(3600)), speech, HEARING, done.append)
    assert max(pipeline.blocks) <= 600
    assert sum(pipeline.blocks) > 3000
    assert done == sorted(done)
    assert len(done) == len(pipeline.blocks)


def test_times_of_words_never_run_backwards(pipeline: type[FakePipeline]) -> None:
    crossed = segment(1.0, 2.0)
    crossed.words.append(SimpleNamespace(start=1.5, end=1.2, word=" late", probability=1.2))
    pipeline.segments = (crossed,)
    model: Any = FakeModel()
    (found,) = transcribe(model, sound_of(silence(5)), [(0.0, 1.0)], HEARING, lambda _done: None)
    assert all(word.start <= word.end for word in found.words)
    assert max(word.probability for word in found.words) == 1.0


def test_the_language_is_the_one_most_sure_over_the_whole_film() -> None:
    answers = iter([[("en", 0.6), ("hi", 0.4)], [("hi", 0.9), ("en", 0.1)], [("hi", 0.5), ("en", 0.5)]])
    model: Any = SimpleNamespace(detect_language=lambda **_sound: ("", 0.0, next(answers)))
    assert find_language(model, sound_of(silence(100)), [(0.0, 5.0), (40.0, 45.0), (90.0, 95.0)]) == "hi"
