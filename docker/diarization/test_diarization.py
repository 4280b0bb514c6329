"""Who speaks when."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import diarization
from cp_whisperx.cli import schema_text
from cp_whisperx.contract import PyannoteVadResult, ScoredSpan
from cp_whisperx.devices import Device
from cp_whisperx.errors import StageError
from cp_whisperx.files import write_document
from cp_whisperx.ml import idle_gpu
from cp_whisperx.ml.hub import AbsentModel, HubModels
from cp_whisperx.ml.onnx import open_model
from cp_whisperx_testing import context_for
from diarization import (
    MODEL,
    STAGE,
    DiarizationSettings,
    by_appearance,
    cluster,
    cut_turn,
    encode,
    loud_enough,
    normalised,
    quietest,
    run,
    turns_in,
)
from sounds import job_with_sound, needs_models, silence, sound_of, tones


class FakeSession:
    """Describes a voice by whether its sound is positive or negative, with a little noise that is always the same."""

    def run(self, _names: None, inputs: dict[str, Any]) -> list[Any]:
        mean = inputs["sound"].mean(axis=1)
        noise = np.abs(inputs["sound"][:, :3]).mean(axis=1) * 0.05
        voices = np.stack([np.clip(mean, 0, None), np.clip(-mean, 0, None), noise], axis=1)
        return [np.stack([normalised(voice) for voice in voices])]


def level(seconds: float, value: float) -> np.ndarray:  # type: ignore[type-arg]
    return np.full(round(seconds * 16_000), value, np.float32)


def voices_around(*centres: tuple[float, ...], each: int = 5) -> np.ndarray:  # type: ignore[type-arg]
    noise = np.random.default_rng(7)
    return np.stack(
        [normalised(np.array(centre) + noise.normal(0, 0.05, len(centre))) for centre in centres for _ in range(each)]
    )


def test_speech_is_cut_at_changes_but_not_next_to_its_ends() -> None:
    assert turns_in([(0.0, 5.0), (6.0, 9.0)], [2.0, 4.8, 6.2, 7.0, 7.1]) == [
        (0.0, 2.0),
        (2.0, 5.0),
        (6.0, 7.0),
        (7.0, 9.0),
    ]


@given(st.lists(st.integers(0, 90).map(float), max_size=20))
def test_turns_make_up_the_speech_whatever_the_changes(changes: list[float]) -> None:
    turns = turns_in([(0.0, 30.0), (40.0, 80.0)], changes)
    assert sum(end - start for start, end in turns) == 70.0
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(turns))


def test_the_number_of_speakers_is_found_from_the_voices() -> None:
    voices = voices_around((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    labels = cluster(voices, DiarizationSettings())
    assert len(set(labels.tolist())) == 3
    assert len(set(labels[:5].tolist())) == 1


@pytest.mark.parametrize(
    ("given_settings", "speakers"),
    [
        ({"diarization_speakers": 2}, 2),
        ({"diarization_max_speakers": 2}, 2),
        ({"diarization_min_speakers": 4}, 4),
        ({"diarization_speakers": 1, "diarization_min_speakers": 4}, 1),
    ],
)
def test_the_user_may_say_how_many_speakers_there_are(given_settings: dict[str, int], speakers: int) -> None:
    voices = voices_around((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    assert len(set(cluster(voices, DiarizationSettings(**given_settings)).tolist())) == speakers  # type: ignore[arg-type]


def test_fewest_above_most_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="DIARIZATION_MIN_SPEAKERS=5 is more than DIARIZATION_MAX_SPEAKERS=3"):
        DiarizationSettings(diarization_min_speakers=5, diarization_max_speakers=3)


@given(st.lists(st.integers(0, 5)))
def test_speakers_are_counted_in_the_order_in_which_they_appear(labels: list[int]) -> None:
    numbers = by_appearance(labels)
    firsts = list(dict.fromkeys(numbers))
    assert firsts == list(range(len(firsts)))
    assert len(set(zip(labels, numbers, strict=True))) == len(firsts)


def test_quiet_sound_is_raised_and_loud_sound_stays() -> None:
    quiet, loud = tones(1, 440) * 0.01, tones(1, 440)
    assert np.sqrt(np.mean(np.square(loud_enough(quiet)))) == pytest.approx(10 ** (-30 / 20), rel=1e-3)
    assert (loud_enough(loud) == loud).all()
    assert (loud_enough(silence(1)) == 0).all()


def test_a_long_turn_is_heard_in_windows_of_the_length_that_the_encoder_knows() -> None:
    session: Any = FakeSession()
    short, long = encode(session, sound_of(level(20, 0.5)), [(0.0, 0.5), (1.0, 11.0)], lambda _done: None)
    assert len(short) == 1
    assert len(long) == 1 + -(-(160_000 - 25_840) // 6_400)


def test_a_turn_is_cut_at_the_quietest_place_where_the_voice_changes() -> None:
    sound = sound_of(level(4, 0.5), silence(0.3), level(4, 0.5))
    spans = cut_turn(sound, (0.0, 8.3), [0] * 8 + [1] * 9, 0)
    assert [label for _, label in spans] == [0, 1]
    assert 4.0 < spans[0][0][1] == spans[1][0][0] < 4.3


def test_a_few_windows_of_another_voice_do_not_cut_a_turn() -> None:
    sound = sound_of(level(9, 0.5))
    assert cut_turn(sound, (0.0, 9.0), [0] * 8 + [1] * 2 + [0] * 9, 0) == [((0.0, 9.0), 0)]
    assert cut_turn(sound, (0.0, 1.0), [1], 0) == [((0.0, 1.0), 0)]


def test_the_quietest_place_is_looked_for_nearby_alone() -> None:
    sound = sound_of(silence(1), level(4, 0.5), silence(0.2), level(4, 0.5))
    assert quietest(sound, 5.4) == pytest.approx(5.025, abs=0.05)


def test_a_change_that_nobody_announced_is_found_from_the_voices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diarization, "open_model", lambda *_arguments: FakeSession())
    folder, demuxed = job_with_sound(tmp_path / "job", level(6, 0.5), silence(0.3), level(6, -0.5), silence(1))
    speech = PyannoteVadResult(
        segments=(ScoredSpan(start=0, end=12.3, confidence=0.9),),
        speaker_changes=(),
        source="pyannote",
        speech_ratio=0.9,
    )
    settings = DiarizationSettings(diarization_speaker_names="Priya, , Captain Rao")
    result = run(context_for(folder, settings, (demuxed, speech)))
    assert result.speakers == ("Priya", "Captain Rao")
    assert [span.speaker for span in result.segments] == ["Priya", "Captain Rao"]
    assert 6.0 <= result.segments[0].end == result.segments[1].start <= 6.3


def test_a_film_in_which_nobody_speaks_has_no_speakers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diarization, "open_model", lambda *_arguments: FakeSession())
    folder, demuxed = job_with_sound(tmp_path / "job", silence(3))
    nobody = PyannoteVadResult(segments=(), speaker_changes=(), source="pyannote", speech_ratio=0)
    result = run(context_for(folder, DiarizationSettings(), (demuxed, nobody)))
    assert (result.segments, result.speakers) == ((), ())


@needs_models
def test_voices_have_length_one_and_like_sounds_are_alike() -> None:
    session = open_model(MODEL, 1)
    sound = sound_of(tones(4, 110, 220, 330), tones(4, 300, 600, 900))
    low, low_again, high = encode(session, sound, [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)], lambda _done: None)
    assert np.linalg.norm(low, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert float(low[0] @ low_again[0]) > 0.95 > float(low[0] @ high[0])


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)


@pytest.fixture
def hub_without_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache without the gated models, and an image with torch."""
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path))
    monkeypatch.setattr(diarization, "uses_torch_models", lambda: True)
    left_out = AbsentModel(reason="There is no token.", way_out="Set one.")
    write_document(tmp_path / "hub.json", HubModels(absent={"pyannote/speaker-diarization-3.1": left_out}))


@pytest.mark.usefixtures("hub_without_token")
def test_where_the_hub_has_not_given_its_models_the_packaged_ones_do_it_and_the_job_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diarization, "open_model", lambda *_arguments: FakeSession())
    (tmp_path / MODEL).parent.mkdir(parents=True)
    (tmp_path / MODEL).touch()
    folder, demuxed = job_with_sound(tmp_path / "job", level(6, 0.5), silence(0.3), level(6, -0.5))
    speech = PyannoteVadResult(
        segments=(ScoredSpan(start=0, end=12.3, confidence=0.9),), speaker_changes=(), source="silero", speech_ratio=1
    )
    said: list[str] = []
    STAGE.load(DiarizationSettings())  # type: ignore[misc]
    result = run(context_for(folder, DiarizationSettings(), (demuxed, speech), warn=said.append))
    assert len(result.speakers) == 2
    assert result.settings["models"] == "packaged"
    (warning,) = said
    assert warning.startswith("The packaged models are used for diarization.")
    assert "There is no token. Set one." in warning


@pytest.mark.usefixtures("hub_without_token")
def test_where_the_packaged_models_are_not_there_either_both_are_told(tmp_path: Path) -> None:
    with pytest.raises(StageError) as error:
        STAGE.load(DiarizationSettings())  # type: ignore[misc]
    assert "There is no token." in error.value.reason
    assert str(tmp_path / MODEL) in error.value.reason
    assert error.value.way_out == "Set one."


@pytest.mark.usefixtures("hub_without_token")
def test_packaged_models_beside_a_gpu_are_told_and_refused_where_the_processor_is_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(diarization, "open_model", lambda *_arguments: FakeSession())
    (tmp_path / MODEL).parent.mkdir(parents=True)
    (tmp_path / MODEL).touch()
    monkeypatch.setenv("DEVICE", "auto")
    monkeypatch.setattr(idle_gpu, "device_in_use", lambda: Device("cuda", "NVIDIA L4", 23_034))
    STAGE.load(DiarizationSettings())  # type: ignore[misc]
    assert "cuda:0 (NVIDIA L4) stays idle: " in caplog.text
    monkeypatch.setenv("ALLOW_CPU", "false")
    with pytest.raises(StageError, match=r"which ALLOW_CPU=false forbids: .* There is no token\. Set one\. Or set"):
        STAGE.load(DiarizationSettings())  # type: ignore[misc]
