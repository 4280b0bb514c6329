"""The text in the language of the audience."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import second_pass_translation
from cp_whisperx.cli import schema_text
from cp_whisperx.contract import AsrResult, SpokenSegment
from cp_whisperx.stage import Skip, StageError
from cp_whisperx_testing import context_for
from second_pass_translation import STAGE, TranslationSettings, check_needed, run
from sounds import job_with_sound, silence

SEGMENTS = (
    SpokenSegment(start=1, end=3, text="Buenas noches.", speaker="SPEAKER_00"),
    SpokenSegment(start=4, end=5, text="Gracias.", speaker="SPEAKER_01"),
)


def text_in(language: str, segments: tuple[SpokenSegment, ...] = SEGMENTS) -> AsrResult:
    return AsrResult(language=language, segments=segments, model="base")


class FakeModel:
    """Translates the first segment in two parts and finds no words for the second."""

    def __init__(self) -> None:
        self.answers = iter([[" Good", "  evening. "], []])
        self.heard: list[tuple[int, dict[str, Any]]] = []

    def transcribe(self, samples: Any, **options: Any) -> tuple[list[SimpleNamespace], None]:
        self.heard.append((len(samples), options))
        return [SimpleNamespace(text=text) for text in next(self.answers)], None


def test_each_segment_keeps_its_time_its_speaker_and_its_own_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FakeModel()
    monkeypatch.setattr(second_pass_translation, "model_for", lambda _settings: model)
    folder, demuxed = job_with_sound(tmp_path / "job", silence(10))
    result = run(context_for(folder, TranslationSettings(), (demuxed, text_in("es"))))
    first, second = result.segments
    assert (first.start, first.end, first.speaker) == (1, 3, "SPEAKER_00")
    assert (first.text, first.original) == ("Good evening.", "Buenas noches.")
    assert (second.text, second.original) == ("Gracias.", "Gracias.")
    assert (result.source_language, result.target_language, result.method) == ("es", "en", "whisper base")
    assert [length for length, _ in model.heard] == [35_200, 19_200]
    assert {(options["task"], options["language"]) for _, options in model.heard} == {("translate", "es")}


@pytest.mark.parametrize(
    ("text", "settings", "part"),
    [
        (text_in("en"), TranslationSettings(), "TARGET_LANGUAGE=en"),
        (text_in("hi"), TranslationSettings(target_language="hi"), "TARGET_LANGUAGE=hi"),
        (text_in("es"), TranslationSettings(second_pass_enabled=False), "SECOND_PASS_ENABLED"),
        (text_in("es", ()), TranslationSettings(), "Nothing was said"),
    ],
)
def test_where_nothing_is_to_be_translated_the_reason_is_told(
    text: AsrResult, settings: TranslationSettings, part: str
) -> None:
    with pytest.raises(Skip) as skipped:
        check_needed(text, settings)
    assert part in skipped.value.reason


def test_a_language_that_whisper_cannot_give_is_refused_with_a_way_out() -> None:
    with pytest.raises(StageError) as error:
        check_needed(text_in("es"), TranslationSettings(target_language="hi"))
    assert "TARGET_LANGUAGE=hi" in error.value.reason
    assert "TARGET_LANGUAGE=en" in error.value.way_out


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
