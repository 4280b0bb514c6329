"""The text in the language of the audience."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faster_whisper import tokenizer

import second_pass_translation
from cp_whisperx.cli import schema_text
from cp_whisperx.contract import AsrResult, SpokenSegment
from cp_whisperx.files import write_document
from cp_whisperx.ml.hub import HubModel, HubModels, ModelAbsent
from cp_whisperx.stage import Skip, StageError
from cp_whisperx_testing import context_for, make_job
from second_pass_translation import (
    HUB_MODELS,
    STAGE,
    TranslationSettings,
    check_needed,
    choose_backend,
    nllb_languages,
    run,
)
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
        (text_in("es", ()), TranslationSettings(), "no speech to translate"),
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


NLLB, OPUS = HUB_MODELS["nllb"], HUB_MODELS["opus-mt"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a cache with these models of the hub, in an image with torch."""
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("cp_whisperx.ml.hub.torch_is_here", lambda: True)
    monkeypatch.setattr(second_pass_translation, "torch_is_here", lambda: True)

    def bring(*names: str) -> None:
        models = {name: HubModel(revision="main", commit="a" * 40, files={}) for name in names}
        write_document(tmp_path / "hub.json", HubModels(models=models))

    return bring


def chosen(folder: Path, language: str, **settings: str) -> tuple[str, list[str]]:
    """The backend, and what the job says of it."""
    said: list[str] = []
    given = TranslationSettings(**settings)  # type: ignore[arg-type]
    context = context_for(make_job(folder / "job"), given, warn=said.append)
    return choose_backend(language, given, context), said


def test_without_a_hub_whisper_translates(tmp_path: Path) -> None:
    assert chosen(tmp_path, "es") == ("whisper", [])


@pytest.mark.parametrize(
    ("there", "language", "backend", "reason"),
    [
        ((NLLB, OPUS), "es", "nllb", ""),
        ((OPUS,), "es", "opus-mt", f"The model {NLLB} is not in the model cache"),
        ((), "es", "whisper", f"The model {OPUS} is not in the model cache"),
        ((NLLB, OPUS), "la", "opus-mt", "nllb does not support the language la"),
    ],
)
def test_the_best_that_is_there_translates_and_the_job_says_why_it_is_not_a_better_one(
    tmp_path: Path, hub: Callable[..., None], there: tuple[str, ...], language: str, backend: str, reason: str
) -> None:
    hub(*there)
    found, said = chosen(tmp_path, language)
    assert found == backend
    assert any(reason in text for text in said) if reason else said == []


def test_nllb_gives_other_languages_than_english(tmp_path: Path, hub: Callable[..., None]) -> None:
    hub(NLLB)
    check_needed(text_in("es"), TranslationSettings(target_language="hi"))
    assert chosen(tmp_path, "es", target_language="hi") == ("nllb", [])


def test_where_nothing_gives_the_language_the_best_reason_is_told(tmp_path: Path, hub: Callable[..., None]) -> None:
    hub(OPUS)
    with pytest.raises(ModelAbsent, match=NLLB):
        chosen(tmp_path, "es", target_language="hi")


def test_a_backend_that_was_asked_for_by_name_has_no_stand_in(tmp_path: Path, hub: Callable[..., None]) -> None:
    hub(NLLB)
    with pytest.raises(ModelAbsent, match=OPUS):
        chosen(tmp_path, "es", second_pass_backend="opus-mt")


def test_a_backend_that_needs_torch_is_refused_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_pass_translation, "torch_is_here", lambda: False)
    with pytest.raises(StageError, match=r"nllb needs torch.*SECOND_PASS_BACKEND=nllb") as error:
        chosen(tmp_path, "es", second_pass_backend="nllb")
    assert "variant cuda" in error.value.way_out


def test_nllbs_names_are_a_language_and_a_script() -> None:
    for code, name in nllb_languages().items():
        assert re.fullmatch(r"[a-z]{2,3}", code)
        assert re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", name)
    assert (nllb_languages()["hi"], nllb_languages()["en"]) == ("hin_Deva", "eng_Latn")


def test_the_languages_that_whisper_hears_are_nllbs_but_for_three() -> None:
    heard = set(tokenizer._LANGUAGE_CODES)  # noqa: SLF001 - the one place that has them
    assert heard - set(nllb_languages()) == {"br", "haw", "la"}
