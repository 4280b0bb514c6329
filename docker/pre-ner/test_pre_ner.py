"""Names that will be heard in the film."""

from pathlib import Path

import pytest
import spacy
from spacy.language import Language

import pre_ner
from cp_whisperx.cli import schema_text
from cp_whisperx.contract import CastMember, TmdbResult
from cp_whisperx.stage import Skip
from cp_whisperx_testing import context_for, make_job
from pre_ner import STAGE, PreNerSettings, character_names, run, without_title
from sounds import needs_models

FILM = TmdbResult(
    tmdb_id=1,
    title="The Missing Letter",
    original_title="The Missing Letter",
    release_date="2026-01-31",
    overview="Inspector Sharma follows a letter from Mumbai to Delhi.",
    tagline="",
    runtime=90,
    genres=(),
    countries=(),
    languages=(),
    cast=(
        CastMember(name="An Actor", character="Captain Rao (uncredited)", order=1),
        CastMember(name="An Actress", character="Priya / Self", order=0),
    ),
    crew=(),
    keywords=(),
)


@pytest.fixture
def language(monkeypatch: pytest.MonkeyPatch) -> Language:
    """A language that knows three names."""
    language = spacy.blank("en")
    language.add_pipe("entity_ruler").add_patterns(  # type: ignore[attr-defined]
        [
            {"label": "PERSON", "pattern": "Inspector Sharma"},
            {"label": "GPE", "pattern": "Mumbai"},
            {"label": "GPE", "pattern": "Delhi"},
        ]
    )
    monkeypatch.setattr(pre_ner, "load_language", lambda _name: language)
    return language


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("Captain Rao (voice)", ["Rao"]),
        ("Dr. Anil Mehta", ["Anil Mehta"]),
        ("Priya / The Queen", ["Priya", "Queen"]),
        ('Mohan "Chintu" Lal', ["Mohan Chintu Lal"]),
        ("Waiter #2", ["Waiter"]),
        ("Self", []),
        ("woman in train", []),
        ("", []),
    ],
)
def test_a_role_gives_the_names_that_are_said(role: str, names: list[str]) -> None:
    assert list(character_names([CastMember(name="An Actor", character=role, order=0)])) == names


def test_titles_go_but_not_the_whole_name() -> None:
    assert without_title("The Prince") == "Prince"
    assert without_title("Inspector") == "Inspector"
    assert without_title("Mr. Inspector Sharma") == "Sharma"
    assert without_title("Sirius Black") == "Sirius Black"


@pytest.mark.usefixtures("language")
def test_roles_come_first_and_actors_not_at_all(tmp_path: Path) -> None:
    result = run(context_for(make_job(tmp_path / "job"), PreNerSettings(), (FILM,)))
    assert result.entities == {"PERSON": ("Priya", "Rao", "Sharma"), "GPE": ("Mumbai", "Delhi")}
    assert result.counts == {"PERSON": 3, "GPE": 2}
    assert result.prompt == "Priya, Rao, Sharma, Mumbai, Delhi"


@pytest.mark.usefixtures("language")
def test_the_prompt_has_no_more_names_than_the_model_remembers(tmp_path: Path) -> None:
    result = run(context_for(make_job(tmp_path / "job"), PreNerSettings(pre_ner_max_names=2), (FILM,)))
    assert result.prompt == "Priya, Rao"


def test_a_film_that_nobody_knows_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(Skip, match="tmdb"):
        run(context_for(make_job(tmp_path / "job"), PreNerSettings()))


@needs_models
def test_the_packaged_model_finds_places_and_people(tmp_path: Path) -> None:
    result = run(context_for(make_job(tmp_path / "job"), PreNerSettings(), (FILM,)))
    assert "Mumbai" in result.entities["GPE"]
    assert "Sharma" in result.entities["PERSON"]


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
