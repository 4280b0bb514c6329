"""Names that were heard a little wrong."""

from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

import post_ner
from cp_whisperx.cli import schema_text
from cp_whisperx.contract import (
    AsrResult,
    PreNerResult,
    SpokenSegment,
    StageResult,
    TranslatedSegment,
    TranslationResult,
    Word,
)
from cp_whisperx.ml.names import common_words
from cp_whisperx_testing import context_for, make_job
from post_ner import STAGE, Corrector, PostNerSettings, correct_text, known_names, run
from sounds import needs_models

COMMON = frozenset({"meta", "metal", "monday", "shame", "the", "call", "london"})
NAMES = PreNerResult(
    entities={"PERSON": ("Anil Mehta", "Rao", "Priya's"), "GPE": ("Delhi",)}, counts={}, prompt="Anil Mehta"
)


def corrector(*, ratio: float = 80, at_sentence_start: bool = True) -> Corrector:
    return Corrector(("Mehta", "Sharma", "Delhi"), COMMON, ratio, at_sentence_start)


def text_of(text: str, language: str = "en") -> AsrResult:
    words = tuple(
        Word(start=index, end=index + 1, text=word, probability=0.9) for index, word in enumerate(text.split())
    )
    return AsrResult(
        language=language,
        segments=(SpokenSegment(start=0, end=9, text=text, speaker="SPEAKER_00", words=words),),
        model="base",
    )


@pytest.fixture(autouse=True)
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A language with a small dictionary and no names of its own, where the packaged one is not asked for."""
    if "packaged" not in request.node.name:
        monkeypatch.setattr(post_ner, "load_language", lambda _name: spacy.blank("en"))
        monkeypatch.setattr(post_ner, "common_words", lambda _name: COMMON)


@pytest.mark.parametrize(
    ("text", "corrected"),
    [
        ("Call Dr. Metta now.", "Call Dr. Mehta now."),
        ("That is Metta's bag.", "That is Mehta's bag."),
        ("From Dehli, on Monday.", "From Delhi, on Monday."),
        ("The word metta is small.", "The word metta is small."),
        ("Meta is a word.", "Meta is a word."),
        ("Shame on him.", "Shame on him."),
        ("Metal and Sharon stay.", "Metal and Sharon stay."),
        ("Sharma and Mehta stay.", "Sharma and Mehta stay."),
    ],
)
def test_only_names_that_are_very_like_a_known_one_change(text: str, corrected: str) -> None:
    assert correct_text(text, corrector())[0] == corrected


def test_the_likeness_is_the_users() -> None:
    assert correct_text("Call Metta.", corrector(ratio=85)) == ("Call Metta.", {})


def test_without_a_dictionary_of_its_language_a_sentence_may_begin_as_it_likes() -> None:
    assert correct_text("Metta dijo. Metta calla.", corrector(at_sentence_start=False))[1] == {}
    assert correct_text("El Metta calla.", corrector(at_sentence_start=False))[0] == "El Mehta calla."


@given(st.text(alphabet="Mehta Sharm.'-é\n", max_size=60))
def test_what_was_mended_once_stays(text: str) -> None:
    once, _ = correct_text(text, corrector())
    assert correct_text(once, corrector()) == (once, {})


@given(st.lists(st.sampled_from(sorted(COMMON)), max_size=12))
def test_a_common_word_never_changes(words: list[str]) -> None:
    text = " ".join(word.capitalize() for word in words)
    assert correct_text(text, Corrector(("Metal", "Mondays", "Shane", "Callas"), COMMON, 60, True)) == (text, {})  # noqa: FBT003


def test_names_are_known_word_by_word_without_the_short_ones() -> None:
    assert known_names(NAMES) == ("Anil", "Mehta", "Priya", "Delhi")
    assert known_names(None) == ()


def test_a_correction_is_told_with_its_time_and_its_original(tmp_path: Path) -> None:
    result = run(context_for(make_job(tmp_path / "job"), PostNerSettings(), (NAMES, text_of("Call Dr. Metta, now."))))
    (segment,), (correction,) = result.segments, result.corrections
    assert segment.text == "Call Dr. Mehta, now."
    assert [word.text for word in segment.words] == ["Call", "Dr.", "Mehta,", "now."]
    assert (segment.speaker, segment.start, segment.end) == ("SPEAKER_00", 0, 9)
    assert (correction.original, correction.corrected, correction.start, correction.score) == ("Metta", "Mehta", 2, 80)
    assert result.source == "asr"


def test_the_translation_is_corrected_where_there_is_one(tmp_path: Path) -> None:
    translated = TranslationResult(
        source_language="es",
        target_language="en",
        method="whisper base",
        segments=(TranslatedSegment(start=0, end=2, text="Call Metta.", original="Llama a Metta.", speaker="A"),),
    )
    given_results: tuple[StageResult, ...] = (NAMES, text_of("Llama a Metta.", "es"), translated)
    result = run(context_for(make_job(tmp_path / "job"), PostNerSettings(), given_results))
    assert result.source == "second-pass-translation"
    assert [(segment.text, segment.speaker) for segment in result.segments] == [("Call Mehta.", "A")]
    assert result.corrections[0].start == 0


def test_without_known_names_the_text_stays(tmp_path: Path) -> None:
    result = run(context_for(make_job(tmp_path / "job"), PostNerSettings(), (text_of("Call Dr. Metta."),)))
    assert result.segments == text_of("Call Dr. Metta.").segments
    assert result.corrections == ()


@needs_models
def test_the_packaged_model_knows_common_words_and_finds_names(tmp_path: Path) -> None:
    words = common_words("en_core_web_sm")
    assert {"table", "letter", "captain", "good", "monday"} <= words
    assert not {"metta", "dehli", "sharma", "shirma"} & words
    result = run(context_for(make_job(tmp_path / "job"), PostNerSettings(), (NAMES, text_of("He left for Dehli."))))
    assert result.segments[0].text == "He left for Delhi."
    assert result.entities == {"GPE": ("Delhi",)}
    assert common_words("en_core_web_sm") == words


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
