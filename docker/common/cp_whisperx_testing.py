"""Jobs for tests: a job folder with the results of earlier stages in it. In no image."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from cp_whisperx.contract import FilmIdentity, Job, Manifest, StageRecord, StageResult
from cp_whisperx.files import read_document, sha256_of, write_document
from cp_whisperx.manifest import describe_outputs, read_manifest
from cp_whisperx.stage import Context, StageSettings

S = TypeVar("S", bound=StageSettings)


def make_job(folder: Path, *, film: Path | None = None, title: str | None = None, year: int | None = None) -> Path:
    """A new job in `folder`, for a film that lies in the folder of films that come in; returns `folder`."""
    folder.mkdir(parents=True)
    identity = FilmIdentity(size=1, modified_ns=0, sha256="0" * 64)
    if film:
        facts = film.stat()
        identity = FilmIdentity(size=facts.st_size, modified_ns=facts.st_mtime_ns, sha256=sha256_of(film))
    job = Job(
        id="20260131-film-1",
        created=datetime(2026, 1, 31, tzinfo=UTC),
        film=film.name if film else "film.mp4",
        identity=identity,
        title=title,
        year=year,
    )
    write_document(folder / "job.json", job)
    write_document(folder / "manifest.json", Manifest())
    return folder


def add_result(folder: Path, result: StageResult) -> None:
    """Puts the result of an earlier stage into a job, with the files that already lie in that stage's folder."""
    home = folder / result.stage
    home.mkdir(exist_ok=True)
    write_document(home / "result.json", result)
    manifest = read_manifest(folder)
    record = StageRecord(status="done", key="by hand", outputs=describe_outputs(home, result.stage))
    write_document(folder / "manifest.json", Manifest(stages={**manifest.stages, result.stage: record}))


def context_for(
    folder: Path,
    settings: S,
    results: tuple[StageResult, ...] = (),
    *,
    films_in: Path | None = None,
    report: Callable[[float, str], None] = lambda _fraction, _note: None,
    warn: Callable[[str], None] = lambda _text: None,
) -> Context[S]:
    """What a stage gets: the job in `folder`, and these results as those of the earlier stages."""
    given: dict[type[Any], StageResult] = {type(result): result for result in results}
    job = read_document(folder / "job.json", Job)
    output = folder / "output"
    output.mkdir()
    return Context(
        job=job,
        folder=folder,
        film=(films_in or folder) / job.film,
        settings=settings,
        output=output,
        reader=given.get,
        report=report,
        warn=warn,
    )
