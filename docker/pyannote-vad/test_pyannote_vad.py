"""Where somebody speaks, and where the speaker changes, by pyannote."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyannote_vad
from cp_whisperx.cli import schema_text
from cp_whisperx.contract import SileroVadResult, Span
from cp_whisperx.files import write_document
from cp_whisperx.ml.hub import AbsentModel, HubModels
from cp_whisperx_testing import context_for
from pyannote_vad import STAGE, Listening, PyannoteVadSettings, listen, run, speaker_changes, speech_in
from sounds import job_with_sound, needs_models, silence, sound_of, tones

FRAMES = 250
"""Frames of a window of 5 s in the tests: 20 ms each."""


class FakeSession:
    """Hears a first speaker where the sound is positive, a second one where it is negative."""

    def run(self, _names: None, inputs: dict[str, Any]) -> list[Any]:
        pieces = inputs["sound"][:, 0].reshape(len(inputs["sound"]), FRAMES, -1)
        level = pieces.mean(axis=2)
        return [np.stack([level, -level, np.zeros_like(level)], axis=2)]


def level(seconds: float, value: float) -> np.ndarray:  # type: ignore[type-arg]
    return np.full(round(seconds * 16_000), value, np.float32)


def test_windows_are_put_together_to_scores_of_the_whole_sound() -> None:
    session: Any = FakeSession()
    sound = sound_of(level(4, 0), level(9, 0.9), level(7, 0))
    heard = listen(session, sound, lambda _done: None)
    (span,) = speech_in(heard, sound.duration, PyannoteVadSettings())
    assert span.start == pytest.approx(4, abs=0.04)
    assert span.end == pytest.approx(13, abs=0.04)
    assert span.confidence == pytest.approx(0.9, abs=0.02)


def test_a_change_of_speaker_is_found_once_wherever_it_lies() -> None:
    session: Any = FakeSession()
    for second in (3.1, 5.0, 6.3, 7.5, 8.8):
        heard = listen(session, sound_of(level(second, 0.9), level(15 - second, -0.9)), lambda _done: None)
        assert list(heard.changes) == pytest.approx([second], abs=0.03)


def test_a_change_counts_only_while_both_are_heard() -> None:
    scores = np.zeros((100, 3), np.float32)
    scores[:49, 0] = 0.9
    scores[49:51, 0] = 0.3
    scores[51:, 1] = 0.9
    assert speaker_changes(scores) == []
    scores[49:51, 0] = 0.9
    assert speaker_changes(scores) == [51]


def test_a_click_is_no_speech_and_a_short_gap_no_silence() -> None:
    scores = np.array([0, 0.9, 0, 0, 0, 0, 0, 0.9, 0.9, 0.9, 0, 0.9, 0.9, 0.9], np.float32)
    heard = Listening(speech=scores, step=0.09, changes=())
    (span,) = speech_in(heard, 14 * 0.09, PyannoteVadSettings())
    assert [span.start, span.end] == pytest.approx([0.63, 1.26])


def test_where_the_model_hears_nobody_the_word_of_silero_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyannote_vad, "open_model", lambda *_arguments: FakeSession())
    folder, demuxed = job_with_sound(tmp_path / "job", level(10, 0))
    found = SileroVadResult(segments=(Span(start=1, end=3),), speech_seconds=2)
    result = run(context_for(folder, PyannoteVadSettings(), (demuxed, found)))
    assert result.source == "silero"
    assert [(span.start, span.end) for span in result.segments] == [(1, 3)]
    assert result.speech_ratio == pytest.approx(0.2)


@needs_models
def test_nobody_speaks_in_silence_and_in_a_tone(tmp_path: Path) -> None:
    folder, demuxed = job_with_sound(tmp_path / "job", silence(4), tones(4, 440, 550, 660))
    nobody = SileroVadResult(segments=(), speech_seconds=0)
    result = run(context_for(folder, PyannoteVadSettings(), (demuxed, nobody)))
    assert result.segments == ()
    assert result.source == "pyannote"
    assert result.speech_ratio == 0


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)


def test_where_the_hub_has_not_given_its_model_the_word_of_silero_stands_and_the_job_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path))
    monkeypatch.setattr(pyannote_vad, "uses_torch_models", lambda: True)
    left_out = AbsentModel(reason="There is no token.", way_out="Set one.")
    write_document(tmp_path / "hub.json", HubModels(absent={"pyannote/segmentation-3.0": left_out}))
    folder, demuxed = job_with_sound(tmp_path / "job", level(10, 0.9))
    found = SileroVadResult(segments=(Span(start=1, end=3),), speech_seconds=2)
    said: list[str] = []
    STAGE.load(PyannoteVadSettings())  # type: ignore[misc]
    result = run(context_for(folder, PyannoteVadSettings(), (demuxed, found), warn=said.append))
    assert result.source == "silero"
    assert [(span.start, span.end) for span in result.segments] == [(1, 3)]
    (warning,) = said
    assert "The result of silero-vad is used." in warning
    assert "There is no token. Set one." in warning
    assert STAGE.depends
    assert STAGE.depends(PyannoteVadSettings()) == "pyannote/segmentation-3.0@absent"


@needs_models
def test_without_torch_the_packaged_model_listens_whatever_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    monkeypatch.setattr("cp_whisperx.ml.hub.torch_is_here", lambda: False)
    folder, demuxed = job_with_sound(tmp_path / "job", silence(4))
    nobody = SileroVadResult(segments=(), speech_seconds=0)
    result = run(context_for(folder, PyannoteVadSettings(), (demuxed, nobody)))
    assert result.source == "pyannote"
