"""tmdb with the real client and answers in the service's own form."""

import json
import traceback
from pathlib import Path
from typing import Any

import pytest

from cp_whisperx.cli import schema_text
from cp_whisperx.contract import TmdbResult
from cp_whisperx.stage import Skip, StageError
from cp_whisperx_testing import context_for, make_job
from film_name import FilmName, read_film_name
from tmdb import STAGE, TmdbSettings, offline_data, run

SAMPLE = Path(__file__).parents[2] / "samples" / "config" / "tmdb"


@pytest.mark.parametrize(
    ("file", "title", "year"),
    [
        ("The Missing Letter (2024).mp4", "The Missing Letter", 2024),
        ("The.Missing.Letter.2024.1080p.BluRay.x264-GROUP.mkv", "The Missing Letter", 2024),
        ("folder/the-missing-letter.mp4", "the missing letter", None),
        ("The_Missing_Letter_[1987]_720p.avi", "The Missing Letter", 1987),
        ("2001 A Space Odyssey (1968).mkv", "2001 A Space Odyssey", 1968),
        ("1917.mkv", "1917", None),
        ("Spider-Man No Way Home.mkv", "Spider-Man No Way Home", None),
        ("Film 720p.mp4", "Film", None),
        ("शोले (1975).mp4", "शोले", 1975),
    ],
)
def test_a_file_name_tells_title_and_year(file: str, title: str, year: int | None) -> None:
    assert read_film_name(file) == FilmName(title, year)


def look_up(tmp_path: Path, folder: Path, title: str, year: int | None = None) -> TmdbResult:
    job = make_job(tmp_path / "job", title=title, year=year)
    return run(context_for(job, TmdbSettings(tmdb_offline_folder=str(folder))))


def test_the_sample_film_is_found(tmp_path: Path) -> None:
    found = look_up(tmp_path, SAMPLE, "the missing letter")
    characters = [person.character for person in found.cast]
    assert characters == ["Inspector Sharma", "Priya", "Captain Rao", "Mister Khan", "Mister Mehta"]
    assert (found.title, found.release_date, found.genres) == ("The Missing Letter", "2026-03-01", ("Mystery", "Crime"))
    assert [person.job for person in found.crew] == ["Director", "Screenplay"]
    assert "lighthouse" in found.keywords


def write(folder: Path, name: str, answer: dict[str, Any]) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(answer))


@pytest.fixture
def two_films(tmp_path: Path) -> Path:
    """Two films of one title, of 1950 and of 2001, the older one with 30 roles."""
    folder = tmp_path / "tmdb"
    films = [
        {"id": number, "title": "Letter", "original_title": "Khat", "release_date": f"{year}-01-01"}
        for number, year in ((1, 1950), (2, 2001))
    ]
    write(folder, "search/movie.json", {"page": 1, "results": films})
    for film in films:
        write(folder, f"movie/{film['id']}.json", film)
        cast = [{"id": n, "name": f"Actor {n}", "character": None, "order": n} for n in range(30)]
        write(folder, f"movie/{film['id']}/credits.json", {"id": film["id"], "cast": cast, "crew": []})
        write(folder, f"movie/{film['id']}/keywords.json", {"id": film["id"], "keywords": []})
    return folder


@pytest.mark.parametrize(("year", "found"), [(2001, 2), (1950, 1), (1999, 1), (None, 1)])
def test_the_first_hit_of_the_year_is_taken_else_the_first(
    tmp_path: Path, two_films: Path, year: int | None, found: int
) -> None:
    result = look_up(tmp_path, two_films, "letter", year)
    assert result.tmdb_id == found
    assert len(result.cast) == 20


def test_the_original_title_is_found_too(tmp_path: Path, two_films: Path) -> None:
    assert look_up(tmp_path, two_films, "khat").title == "Letter"


def test_no_hit_is_skipped(tmp_path: Path, two_films: Path) -> None:
    with pytest.raises(Skip, match="has no film 'Another'"):
        look_up(tmp_path, two_films, "Another")


def test_no_key_is_skipped(tmp_path: Path) -> None:
    settings = TmdbSettings(tmdb_offline_folder=str(tmp_path / "none"), tmdb_api_key_file=str(tmp_path / "none"))
    with pytest.raises(Skip, match="tmdbApiKey"):
        run(context_for(make_job(tmp_path / "job"), settings))


def test_a_missing_answer_names_its_file(tmp_path: Path, two_films: Path) -> None:
    (two_films / "movie" / "1" / "credits.json").unlink()
    with pytest.raises(StageError, match=r"has no file movie/1/credits\.json"):
        look_up(tmp_path, two_films, "letter")


@pytest.mark.parametrize("content", ["{", "[]"])
def test_an_answer_that_is_no_json_object_names_its_file(tmp_path: Path, two_films: Path, content: str) -> None:
    (two_films / "movie" / "1.json").write_text(content)
    with pytest.raises(StageError, match=r"movie/1\.json"):
        look_up(tmp_path, two_films, "letter")


def test_a_service_that_does_not_answer_is_told_without_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_text("very-secret\n")
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    settings = TmdbSettings(tmdb_offline_folder=str(tmp_path / "none"), tmdb_api_key_file=str(key))
    with pytest.raises(Exception, match="does not answer") as caught:
        run(context_for(make_job(tmp_path / "job"), settings))
    assert not isinstance(caught.value, StageError), "it is worth another try"
    assert "very-secret" not in "".join(traceback.format_exception(caught.value))


def test_new_offline_data_makes_a_new_key(two_films: Path) -> None:
    settings = TmdbSettings(tmdb_offline_folder=str(two_films))
    before = offline_data(settings)
    assert offline_data(settings) == before
    write(two_films, "movie/1.json", {"id": 1, "title": "Another"})
    assert offline_data(settings) != before


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
