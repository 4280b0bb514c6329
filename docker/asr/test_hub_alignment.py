"""Words aligned by whisperx with a model of torch, from a hub. How to run it: see torch_models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-torch runs it")
pytest.importorskip("whisperx", reason="needs whisperx: make test-torch runs it")

import asr
import hub_alignment
from asr import STAGE, AsrSettings
from cp_whisperx.contract import AsrResult, DiarizationResult, PyannoteVadResult, ScoredSpan
from cp_whisperx.devices import Device
from cp_whisperx.ml.hub import snapshot
from cp_whisperx.ml.intervals import Interval
from cp_whisperx.ml.sound import SAMPLE_RATE, Samples
from cp_whisperx.ml.whisper import Heard, HeardWord
from cp_whisperx.stage import StageError
from cp_whisperx.whisper_choice import WhisperStep
from cp_whisperx_testing import context_for, make_job
from hub_cache import HubCache, hub_cache
from sounds import job_with_sound, silence, tones
from torch_models import alignment_files
from word_times import MODELS

MODEL: Final = MODELS["en"]
CARD: Final = Device("cuda", "NVIDIA L4", 24_000)
STEP: Final = WhisperStep(device="cpu", index=0, model="base", compute_type="int8", batch_size=1, threads=1)
_LETTER: Final = 0.1
"""Seconds of each letter."""


SPOKEN: Final = {"42,": "fortytwo"}


@dataclass(frozen=True)
class Line:
    """A line as a sound: a tone for each letter, silence between words."""

    sound: Samples
    letters: list[tuple[float, str]]
    """The second at which each begins."""
    words: list[Interval]
    """Where each word really is."""


def spelt(*words: tuple[float, str]) -> Line:
    """A line of words, each after a pause of some seconds; a last one follows."""
    parts: list[Samples] = []
    letters: list[tuple[float, str]] = []
    spans: list[Interval] = []

    def now() -> float:
        return sum(map(len, parts)) / SAMPLE_RATE

    for pause, word in words:
        letters.append((now(), "|"))
        parts.append(silence(pause))
        start = now()
        for letter in filter(str.isalpha, SPOKEN.get(word, word).upper()):
            letters.append((now(), letter))
            parts.append(tones(_LETTER, 300 * 1.12 ** (ord(letter) - ord("A"))))
        spans.append((start, now()))
    letters.append((now(), "|"))
    parts.append(silence(0.3))
    return Line(np.concatenate(parts), letters, spans)


FIRST: Final = ((0.5, "Good"), (0.1, "evening,"), (0.6, "Inspector."))
SECOND: Final = ((0.2, "Room"), (0.2, "42,"), (0.3, "please."))
LINES: Final = (spelt(*FIRST), spelt(*SECOND))
TEXTS: Final = tuple([word for _, word in line] for line in (FIRST, SECOND))


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """A model that knows both lines."""
    return alignment_files([(line.sound, line.letters) for line in LINES])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubCache]:
    """An empty cache of a worker with models of the hub, where Whisper is not needed."""
    hub_alignment.open_hub_aligner.cache_clear()
    monkeypatch.setattr(asr, "steps_for", lambda *_arguments: (STEP,))
    monkeypatch.setattr(asr, "load_first", lambda _steps: None)
    monkeypatch.setattr(asr, "model_for", lambda _step: object())
    with hub_cache(tmp_path / "models", monkeypatch) as made:
        yield made


def badly_timed(texts: Sequence[str], start: float, seconds: float) -> Heard:
    """Words that share the time of their line evenly, as if Whisper knew no better."""
    each = seconds / len(texts)
    return Heard(
        tuple(
            HeardWord(start + index * each, start + (index + 1) * each, f" {text}", 0.9)
            for index, text in enumerate(texts)
        )
    )


def heard_by_asr(
    folder: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], settings: AsrSettings | None = None
) -> tuple[AsrResult, list[Interval]]:
    """What asr makes of both lines, and where their words really are."""
    starts = [0.0, len(LINES[0].sound) / SAMPLE_RATE]
    heard = [
        badly_timed(texts, start, len(line.sound) / SAMPLE_RATE)
        for texts, start, line in zip(TEXTS, starts, LINES, strict=True)
    ]
    monkeypatch.setattr(asr, "transcribe", lambda *_arguments: heard)
    folder, demuxed = job_with_sound(folder, *(line.sound for line in LINES))
    speech = PyannoteVadResult(
        segments=(ScoredSpan(start=0, end=1, confidence=1),), speaker_changes=(), source="pyannote", speech_ratio=1
    )
    nobody = DiarizationResult(segments=(), speakers=(), settings={})
    chosen = settings or AsrSettings(whisper_language="en")
    result = asr.run(context_for(folder, chosen, (demuxed, speech, nobody), warn=said.append))
    really = [(start + a, start + b) for start, line in zip(starts, LINES, strict=True) for a, b in line.words]
    return result, really


def spans(result: AsrResult) -> list[Interval]:
    return [(word.start, word.end) for segment in result.segments for word in segment.words]


def test_words_get_the_times_at_which_they_sound(
    cache: HubCache, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = cache.hub.add(MODEL, files).commit
    cache.bring()
    STAGE.load(AsrSettings())  # type: ignore[misc]
    said: list[str] = []
    result, really = heard_by_asr(tmp_path / "job", monkeypatch, said)
    found = spans(result)
    number = 4
    for index in set(range(len(really))) - {number}:
        assert found[index] == pytest.approx(really[index], abs=0.05)
    # Nothing in the model is a digit: Whisper's time stands, between the words around it.
    assert found[number - 1][1] <= found[number][0] <= found[number][1] <= found[number + 1][0]
    assert [segment.text for segment in result.segments] == ["Good evening, Inspector.", "Room 42, please."]
    assert result.model == f"base + {MODEL}@{commit}"
    assert said == []


def test_a_stretch_too_short_for_its_text_keeps_its_times(
    cache: HubCache, files: dict[str, bytes], tmp_path: Path
) -> None:
    cache.hub.add(MODEL, files)
    cache.bring()
    context = context_for(make_job(tmp_path / "job"), AsrSettings())
    aligner = hub_alignment.open_hub_aligner(snapshot(MODEL), 1)
    room = aligner.room(context, STEP)

    def found(text: str, samples: Samples) -> list[Interval | None]:
        return aligner.spans(badly_timed(text.split(), 0, 1).words, samples, room)

    sound = LINES[0].sound
    assert found("much too fast", sound[:1600]) == [None, None, None]
    assert found("I", sound[:0]) == [None]
    assert found("1999 \u266a", sound) == [None, None]


def test_without_the_model_whispers_times_stand_and_the_job_says_so(
    cache: HubCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    STAGE.load(AsrSettings())  # type: ignore[misc]
    said: list[str] = []
    result, _ = heard_by_asr(tmp_path / "job", monkeypatch, said)
    seconds = len(LINES[0].sound) / SAMPLE_RATE
    assert spans(result)[0] == pytest.approx((0, seconds / 3), abs=0.001)
    assert result.model == "base"
    assert [MODEL in text for text in said] == [True]
    assert cache.hub.requests == []


@pytest.mark.usefixtures("cache")
def test_what_whisper_translates_is_not_aligned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    translate = AsrSettings(whisper_language="en", whisper_task="translate")
    result, _ = heard_by_asr(tmp_path / "job", monkeypatch, said, translate)
    assert (result.model, said) == ("base", [])


class FullCard:
    """A card on which nothing fits; remembers where the model was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, allow_cpu: bool) -> None:
        self.places: list[str] = []
        scores = hub_alignment.HubAligner._scores  # noqa: SLF001 - what fails on a full card

        def move(_aligner: object, place: str) -> None:
            self.places.append(place)

        def compute(aligner: Any, samples: Samples) -> Any:
            if self.places[-1] != "cpu":
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return scores(aligner, samples)

        monkeypatch.setattr(hub_alignment.HubAligner, "_move", move)
        monkeypatch.setattr(hub_alignment.HubAligner, "_scores", compute)
        monkeypatch.setattr(hub_alignment, "device_in_use", lambda: CARD)
        monkeypatch.setattr("cp_whisperx.ml.whisper_models.device_in_use", lambda: CARD)
        monkeypatch.setenv("ALLOW_CPU", str(allow_cpu).lower())
        monkeypatch.setattr(asr, "steps_for", lambda *_arguments: (replace(STEP, device="cuda"),))


def test_where_the_card_is_full_the_processor_aligns(
    cache: HubCache, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.hub.add(MODEL, files)
    cache.bring()
    card = FullCard(monkeypatch, allow_cpu=True)
    said: list[str] = []
    result, really = heard_by_asr(tmp_path / "job", monkeypatch, said)
    assert card.places == ["cuda:0", "cpu"]
    assert spans(result)[0] == pytest.approx(really[0], abs=0.05)
    (told,) = said
    assert told.startswith("Aligning words: Not enough memory for batches of 1 on cuda:0 (NVIDIA L4):")
    assert told.endswith("continuing with batches of 1 on cpu.")


def test_where_the_processor_may_not_either_whispers_times_stand(
    cache: HubCache, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.hub.add(MODEL, files)
    cache.bring()
    FullCard(monkeypatch, allow_cpu=False)
    said: list[str] = []
    result, _ = heard_by_asr(tmp_path / "job", monkeypatch, said)
    assert result.model == "base"
    assert len(said) == 1
    assert said[0].startswith("Whisper's own timestamps of words are used. Not enough memory")


def test_a_damaged_model_is_told_with_its_path(cache: HubCache, files: dict[str, bytes]) -> None:
    cache.hub.add(MODEL, {**files, "model.safetensors": b"half a model" * 2000})
    cache.bring()
    with pytest.raises(StageError, match=r"facebook--wav2vec2-base-960h.* cannot be opened"):
        STAGE.load(AsrSettings())  # type: ignore[misc]
