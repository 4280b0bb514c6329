"""Jobs on disk, and the films they are for."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cp_whisperx.contract import Manifest, StageRecord
from cp_whisperx.environment import Environment
from cp_whisperx.errors import StageError
from cp_whisperx.files import write_atomically, write_document
from cp_whisperx.jobs import create_job, find_job, identify, is_finished, locate_film, same_request, slug, stored_jobs
from cp_whisperx.manifest import job_state
from cp_whisperx.stages import all_stages, next_stage, stage_facts


@pytest.mark.parametrize("name", ["film.mp4", "a 'b' \"c\" ü.mp4", "-rf.mp4", "deep/er/film.mp4", "$(x).mp4"])
def test_a_film_is_found_by_its_name_or_its_path(places: Environment, name: str) -> None:
    path = places.films_in / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert locate_film(name, places) == Path(name)
    assert locate_film(str(path), places) == Path(name)


def test_what_is_no_film_there_is_refused(places: Environment, tmp_path: Path) -> None:
    outside = tmp_path / "outside.mp4"
    outside.write_text("x")
    (places.films_in / "link.mp4").symlink_to(outside)
    (places.films_in / "loop.mp4").symlink_to("loop.mp4")
    (places.films_in / "empty.mp4").touch()
    (places.films_in / "folder.mp4").mkdir()
    os.mkfifo(places.films_in / "pipe.mp4")
    refusals = {
        "none.mp4": "There is no film at 'none.mp4' (No such file or directory)",
        "link.mp4": "is outside",
        str(outside): "is outside",
        "../outside.mp4": "is outside",
        "loop.mp4": "There is no film at 'loop.mp4'",
        "empty.mp4": "is empty",
        "folder.mp4": "is not a regular file",
        "pipe.mp4": "is not a regular file",
        "x\0.mp4": "There is no film at",
        "n" * 300: "File name too long",
    }
    for name, said in refusals.items():
        with pytest.raises(StageError) as caught:
            locate_film(name, places)
        assert said in caught.value.reason
        assert caught.value.way_out


def test_a_link_inside_the_folder_is_the_film_it_leads_to(places: Environment) -> None:
    (places.films_in / "film.mp4").write_text("x")
    (places.films_in / "link.mp4").symlink_to("film.mp4")
    assert locate_film("link.mp4", places) == Path("film.mp4")


@given(some.text(max_size=200))
def test_a_slug_is_safe_everywhere(name: str) -> None:
    made = slug(name)
    assert made
    assert len(made) <= 60
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not made.startswith("-")


def test_jobs_of_one_name_are_counted(places: Environment) -> None:
    (places.films_in / "Éin Film!.mp4").write_text("x")
    identity = identify(places.films_in / "Éin Film!.mp4", "Éin Film!.mp4", [])
    made = [create_job(places, "Éin Film!.mp4", identity, None, None) for _ in range(3)]
    day = datetime.now(UTC).strftime("%Y%m%d")
    assert [stored.job.id for stored in made] == [f"{day}-ein-film-{number}" for number in (1, 2, 3)]
    assert made[0].folder.parent == places.films_out / datetime.now(UTC).strftime("%Y/%m/%d")
    assert sorted(path.name for path in made[0].folder.parent.iterdir()) == [stored.job.id for stored in made]
    assert find_job(made[1].job.id, places) == made[1]
    assert find_job(str(made[1].folder), places) == made[1]


def test_a_job_that_is_not_there_says_how_to_list_them(places: Environment) -> None:
    with pytest.raises(StageError, match="lists all jobs"):
        find_job("none", places)


def test_the_same_content_is_the_same_request(places: Environment) -> None:
    for name, content in (("a.mp4", "x"), ("b.mp4", "x"), ("c.mp4", "y")):
        (places.films_in / name).write_text(content)
    first = create_job(places, "a.mp4", identify(places.films_in / "a.mp4", "a.mp4", []), None, None)
    jobs = stored_jobs(places)
    same = identify(places.films_in / "b.mp4", "b.mp4", jobs)
    other = identify(places.films_in / "c.mp4", "c.mp4", jobs)
    assert same_request(jobs, same, None, None) == first
    assert same_request(jobs, same, "A title", None) is None
    assert same_request(jobs, other, None, None) is None


def test_a_known_film_is_not_read_again(places: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    film = places.films_in / "a.mp4"
    film.write_text("x")
    identity = identify(film, "a.mp4", [])
    create_job(places, "a.mp4", identity, None, None)
    monkeypatch.setattr("cp_whisperx.jobs.sha256_of", lambda _path: "f" * 64)
    assert identify(film, "a.mp4", stored_jobs(places)) == identity
    film.write_text("other")
    assert identify(film, "a.mp4", stored_jobs(places)).sha256 == "f" * 64


def test_a_folder_that_cannot_be_written_says_so(places: Environment) -> None:
    film = places.films_in / "a.mp4"
    film.write_text("x")
    (places.films_out / datetime.now(UTC).strftime("%Y")).write_text("a file where a folder must be")
    with pytest.raises(StageError, match="Cannot create a job"):
        create_job(places, "a.mp4", identify(film, "a.mp4", []), None, None)


def test_a_job_is_finished_while_its_film_is_there(places: Environment) -> None:
    (places.films_in / "a.mp4").write_text("x")
    stored = create_job(places, "a.mp4", identify(places.films_in / "a.mp4", "a.mp4", []), None, None)
    assert not is_finished(stored)
    film = stored.folder / "mux" / "a.mp4"
    film.parent.mkdir()
    film.write_text("x")
    done = StageRecord.model_validate({"status": "done", "outputs": [{"path": "mux/a.mp4", "size": 1, "sha256": "0"}]})
    write_document(stored.folder / "manifest.json", Manifest(stages={facts.name: done for facts in all_stages()}))
    assert is_finished(stored)
    film.unlink()
    assert not is_finished(stored)


def states(**changes: str) -> Manifest:
    records = {facts.name: StageRecord(status="done") for facts in all_stages()}
    for name, status in changes.items():
        records[name.replace("_", "-")] = StageRecord.model_validate({"status": status})
    return Manifest(stages=records)


def test_the_state_of_a_job_follows_from_its_stages() -> None:
    assert job_state(Manifest()) == "waiting"
    assert job_state(states()) == "done"
    assert job_state(states(tmdb="failed", pre_ner="skipped")) == "done"
    assert job_state(states(mux="pending")) == "running"
    assert job_state(states(asr="failed", mux="pending")) == "failed"


def test_stages_follow_each_other_to_the_end() -> None:
    names, name = [], all_stages()[0].name
    while name:
        names.append(name)
        name = next_stage(name) or ""
    assert names == [facts.name for facts in all_stages()]
    assert stage_facts("asr").tries == 2
    assert all(facts.tries >= 2 for facts in all_stages()), "a killed worker costs one"
    with pytest.raises(KeyError, match="the stages are demux"):
        stage_facts("none")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.json"
    write_atomically(file, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cp_whisperx.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_atomically(file, "new")
    assert caught.value.filename == str(file)
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]
    assert file.read_text() == "old"


def test_the_list_of_stages_is_plain_json() -> None:
    file = Path(__file__).parent.parent / "cp_whisperx" / "stages.json"
    stages = json.loads(file.read_text())
    assert [stage["name"] for stage in stages] == [facts.name for facts in all_stages()]
    assert all(set(stage) == {"name", "critical", "timeLimitSeconds", "tries"} for stage in stages)
