"""Speech as text, with speakers."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import asr
from asr import STAGE, AsrSettings, run, spoken
from cp_whisperx.cli import schema_text
from cp_whisperx.contract import (
    DiarizationResult,
    PreNerResult,
    PyannoteVadResult,
    ScoredSpan,
    SileroVadResult,
    Span,
    SpeakerSpan,
)
from cp_whisperx.files import write_document
from cp_whisperx.ml.hub import HubModel, HubModels, whisper_repository
from cp_whisperx.ml.whisper import Heard, HeardWord, Hearing
from cp_whisperx.whisper_choice import WhisperStep
from cp_whisperx_testing import context_for
from sounds import job_with_sound, silence
from speakers import at_sentence_ends, speakers_of_words, without_islands

A, B = "SPEAKER_00", "SPEAKER_01"


def heard(text: str, start: float = 0.0, each: float = 0.5) -> Heard:
    words = text.split()
    return Heard(
        tuple(
            HeardWord(start + index * each, start + (index + 1) * each, f" {word}", 0.9)
            for index, word in enumerate(words)
        )
    )


def turns(*spans: tuple[float, float, str]) -> tuple[SpeakerSpan, ...]:
    return tuple(SpeakerSpan(start=start, end=end, speaker=speaker) for start, end, speaker in spans)


def test_a_stretch_is_cut_where_the_speaker_changes() -> None:
    segments = spoken([heard("Where is he? In Delhi.")], turns((0, 1.5, A), (1.5, 3, B)))
    assert [(segment.speaker, segment.text) for segment in segments] == [(A, "Where is he?"), (B, "In Delhi.")]
    assert (segments[0].start, segments[0].end, segments[1].start, segments[1].end) == (0, 1.5, 1.5, 2.5)
    assert [word.text for word in segments[1].words] == ["In", "Delhi."]


def test_a_change_moves_to_the_end_of_the_sentence_nearby() -> None:
    late = spoken([heard("Where is he? In Delhi.")], turns((0, 2.0, A), (2.0, 3, B)))
    early = spoken([heard("Where is he? In Delhi.")], turns((0, 1.0, A), (1.0, 3, B)))
    assert [segment.text for segment in late] == [segment.text for segment in early] == ["Where is he?", "In Delhi."]


def test_a_change_far_from_the_end_of_a_sentence_stays() -> None:
    segments = spoken([heard("one two three four five six")], turns((0, 1.5, A), (1.5, 3, B)))
    assert [segment.text for segment in segments] == ["one two three", "four five six"]


def test_words_outside_all_turns_belong_to_the_nearest_within_a_second() -> None:
    words = heard("here", start=5.2).words
    assert speakers_of_words(words, turns((3, 4.9, A), (7, 8, B))) == [A]
    assert speakers_of_words(words, turns((1, 2, A), (9, 10, B))) == [None]


def test_a_turn_long_before_does_not_hide_the_one_that_holds_the_word() -> None:
    found = speakers_of_words(heard("here", start=30.0).words, turns((0, 5, A), (6, 20, B), (29, 31, A)))
    assert found == [A]


def test_a_reply_of_one_word_within_a_stretch_keeps_its_speaker() -> None:
    words = heard("Did he come? No. Was he ill?").words
    found = speakers_of_words(words, turns((0, 1.5, A), (1.5, 2, B), (2, 3.5, A)))
    assert found == [A, A, A, B, A, A, A]


def test_a_word_in_mid_sentence_goes_to_who_says_the_sentence() -> None:
    assert speakers_of_words(heard("Did he come?").words, turns((0, 0.5, A), (0.5, 1, B), (1, 1.5, A))) == [A, A, A]


SPEAKERS = st.lists(st.sampled_from([A, B, None]), max_size=20)


@given(SPEAKERS)
def test_the_correction_invents_no_speaker_and_loses_no_word(speakers: list[str | None]) -> None:
    words = heard(" ".join("end." if index % 3 == 2 else "word" for index in range(len(speakers)))).words
    at_ends = at_sentence_ends(words, without_islands(words, speakers))
    assert len(at_ends) == len(words)
    assert set(at_ends) <= set(speakers)
    assert at_ends[:1] == speakers[:1]


def results(*speech: tuple[float, float]) -> tuple[Any, ...]:
    return (
        SileroVadResult(segments=(Span(start=0, end=9),), speech_seconds=9),
        PyannoteVadResult(
            segments=tuple(ScoredSpan(start=start, end=end, confidence=0.9) for start, end in speech),
            speaker_changes=(),
            source="pyannote",
            speech_ratio=0.5,
        ),
        DiarizationResult(segments=turns((0, 10, A)), speakers=(A,), settings={}),
        PreNerResult(entities={"PERSON": ("Priya",)}, counts={"PERSON": 1}, prompt="Priya, Rao"),
    )


@pytest.fixture
def given_to_whisper(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the stage hands to Whisper, which hears `Hello Priya.` each time."""
    calls: list[Any] = []

    def transcribe(_model: object, _sound: object, speech: Any, hearing: Hearing, _progress: object) -> list[Heard]:
        calls.append((speech, hearing))
        return [heard("Hello Priya.", start=1.0)]

    monkeypatch.setattr(asr, "model_for", lambda _settings: object())
    monkeypatch.setattr(asr, "find_language", lambda *_arguments: "hi")
    monkeypatch.setattr(asr, "transcribe", transcribe)
    return calls


def test_only_speech_is_heard_and_the_names_are_told(tmp_path: Path, given_to_whisper: list[Any]) -> None:
    folder, demuxed = job_with_sound(tmp_path / "job", silence(10))
    settings = AsrSettings(whisper_hotwords="Victoria")
    result = run(context_for(folder, settings, (demuxed, *results((1, 3), (4, 5)))))
    ((speech, hearing),) = given_to_whisper
    assert speech == [(1, 3), (4, 5)]
    assert hearing.hotwords == "Victoria, Priya, Rao"
    assert (hearing.language, result.language, result.model) == ("hi", "hi", "base")
    assert [(segment.speaker, segment.text) for segment in result.segments] == [(A, "Hello Priya.")]


def test_what_whisper_invents_is_left_out_and_counted(
    tmp_path: Path, given_to_whisper: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    invented = [
        heard("Thanks for watching!", start=4.0),
        heard("Hello Priya."),
        heard("Thank you for watching.", start=9.0),
    ]
    monkeypatch.setattr(asr, "transcribe", lambda *_arguments: invented)
    folder, demuxed = job_with_sound(tmp_path / "job", silence(10))
    warnings: list[str] = []
    result = run(context_for(folder, AsrSettings(), (demuxed, *results((1, 3))), warn=warnings.append))
    assert given_to_whisper == []
    assert [segment.text for segment in result.segments] == ["Hello Priya."]
    assert warnings == [
        "Left out 2 phrases that Whisper hallucinates in silence, such as 'Thanks for watching!' at 4 s."
    ]


def test_the_result_names_the_commit_of_a_model_of_the_hub(
    tmp_path: Path, given_to_whisper: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = HubModel(revision="main", commit="0" * 40, files={})
    write_document(tmp_path / "hub.json", HubModels(models={whisper_repository("base"): found}))
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path))
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    folder, demuxed = job_with_sound(tmp_path / "job", silence(10))
    result = run(context_for(folder, AsrSettings(), (demuxed, *results((1, 3)))))
    assert given_to_whisper
    assert result.model == f"Systran/faster-whisper-base@{'0' * 40}"


def test_a_translating_whisper_gives_english(tmp_path: Path, given_to_whisper: list[Any]) -> None:
    folder, demuxed = job_with_sound(tmp_path / "job", silence(10))
    settings = AsrSettings(whisper_task="translate", whisper_language="fr")
    result = run(context_for(folder, settings, (demuxed, *results((1, 3)))))
    assert given_to_whisper[0][1].language == "fr"
    assert result.language == "en"


def test_where_the_memory_does_not_suffice_the_film_is_heard_with_less(
    tmp_path: Path, given_to_whisper: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[WhisperStep] = []

    def model_for(step: WhisperStep) -> object:
        steps.append(step)
        if step.batch_size > 1:
            raise MemoryError
        return object()

    monkeypatch.setattr(asr, "model_for", model_for)
    folder, demuxed = job_with_sound(tmp_path / "job", silence(10))
    warnings: list[str] = []
    context = context_for(folder, AsrSettings(), (demuxed, *results((1, 3))), warn=warnings.append)
    result = run(context)
    assert [step.batch_size for step in steps] == [4, 2, 1]
    assert [hearing.batch_size for _, hearing in given_to_whisper] == [1]
    assert len(warnings) == 2
    assert [segment.text for segment in result.segments] == ["Hello Priya."]


def test_a_film_in_which_nobody_speaks_has_no_text(tmp_path: Path) -> None:
    folder, demuxed = job_with_sound(tmp_path / "job", silence(10))
    result = run(context_for(folder, AsrSettings(), (demuxed, *results())))
    assert (result.segments, result.language) == ((), "und")


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
