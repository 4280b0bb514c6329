"""Jobs on disk: created atomically, found by their id or by their film."""

import contextlib
import errno
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cp_whisperx.contract import FilmIdentity, Job, Manifest
from cp_whisperx.environment import Environment
from cp_whisperx.errors import StageError
from cp_whisperx.files import read_document, sha256_of, write_document
from cp_whisperx.manifest import job_state, read_manifest
from cp_whisperx.stages import all_stages

_LONGEST_SLUG: Final = 60
_MOST_JOBS_OF_ONE_NAME: Final = 10_000


@dataclass(frozen=True)
class StoredJob:
    """A job and its folder."""

    job: Job
    folder: Path


def locate_film(text: str, environment: Environment) -> Path:
    """The path of a film relative to the folder of incoming films, such as `series/Part 1.mkv`.

    Raises StageError if it is missing, unreadable, empty or no regular file, or if a symbolic link leads elsewhere.
    """
    root = environment.films_in.resolve()
    path = environment.films_in / text
    put_it_there = f"Put the film into {environment.films_in} and give its path relative to that folder."
    try:
        real = path.resolve(strict=True)
        inside = real.is_relative_to(root)
        regular, size = real.is_file(), real.stat().st_size
    except (OSError, RuntimeError, ValueError) as error:
        raise StageError(f"There is no film at {text!r} ({_cause(error)}).", put_it_there) from error
    if not inside:
        raise StageError(f"The film {text!r} is outside {environment.films_in}, at {real}.", put_it_there)
    if not regular:
        raise StageError(f"{text!r} is not a regular file.", put_it_there)
    if not os.access(real, os.R_OK):
        raise StageError(f"The film {text!r} cannot be read by user {os.getuid()}.", f"chmod a+r {real.name!r}")
    if size == 0:
        raise StageError(f"The film {text!r} is empty.", "Copy it again: the last copy was probably interrupted.")
    return real.relative_to(root)


def _cause(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def check_film(job: Job, film: Path) -> None:
    """Raises StageError if the film of a job is gone or has changed since it was submitted."""
    try:
        facts = film.stat()
    except OSError as error:
        raise StageError(
            f"The film {job.film!r} cannot be read: {_cause(error)}.",
            f"Put it back, then `cp-whisperx resume {job.id}`.",
        ) from error
    if (facts.st_size, facts.st_mtime_ns) != (job.identity.size, job.identity.modified_ns):
        raise StageError(f"The film {job.film!r} has changed since it was submitted.", "Submit it again.")


def identify(film: Path, relative: str, jobs: list[StoredJob]) -> FilmIdentity:
    """The identity of a film: the hash of its content, with its size and modification time.

    If an earlier job has a film of this name, size and modification time, its hash is reused: hashing reads gigabytes.
    """
    facts = film.stat()
    for known in jobs:
        identity = known.job.identity
        same = (identity.size, identity.modified_ns) == (facts.st_size, facts.st_mtime_ns)
        if known.job.film == relative and same:
            return identity
    return FilmIdentity(size=facts.st_size, modified_ns=facts.st_mtime_ns, sha256=sha256_of(film))


def stored_jobs(environment: Environment) -> list[StoredJob]:
    """All readable jobs, the newest first."""
    found = [stored for path in environment.films_out.glob("*/*/*/*/job.json") for stored in _load(path)]
    return sorted(found, key=lambda stored: (stored.job.created, stored.folder), reverse=True)


def _load(path: Path) -> Iterator[StoredJob]:
    with contextlib.suppress(StageError, OSError):
        yield StoredJob(read_document(path, Job), path.parent)


def find_job(text: str, environment: Environment) -> StoredJob:
    """The job with this id or in this absolute folder; raises StageError if there is none."""
    folder = Path(text)
    if folder.is_absolute() and (folder / "job.json").is_file():
        return StoredJob(read_document(folder / "job.json", Job), folder)
    for stored in stored_jobs(environment):
        if stored.job.id == text:
            return stored
    raise StageError(f"There is no job {text!r} in {environment.films_out}.", "`cp-whisperx status` lists all jobs.")


def same_request(
    jobs: list[StoredJob], identity: FilmIdentity, title: str | None, year: int | None
) -> StoredJob | None:
    """The newest job with the same content, title and year; the film's file name does not matter."""
    for stored in jobs:
        job = stored.job
        if (job.identity.sha256, job.title, job.year) == (identity.sha256, title, year):
            return stored
    return None


def create_job(
    environment: Environment, film: str, identity: FilmIdentity, title: str | None, year: int | None
) -> StoredJob:
    """Creates out/YYYY/MM/DD/ID with job.json and manifest.json, atomically.

    Raises StageError if it cannot be written.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    day = environment.films_out / now.strftime("%Y/%m/%d")
    try:
        day.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".job-", dir=day))
    except OSError as error:
        raise _cannot_write(environment, error) from error
    try:
        partial.chmod(0o755)
        write_document(partial / "manifest.json", Manifest())
        for number in range(1, _MOST_JOBS_OF_ONE_NAME):
            name = f"{now:%Y%m%d}-{slug(Path(film).stem)}-{number}"
            if (day / name).exists():
                continue
            job = Job(id=name, created=now, film=film, identity=identity, title=title, year=year)
            write_document(partial / "job.json", job)
            if _appears(partial, day / name):
                return StoredJob(job, day / name)
    except OSError as error:
        raise _cannot_write(environment, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    raise StageError(f"{film!r} already has {_MOST_JOBS_OF_ONE_NAME} jobs from today.", "Remove some of them.")


def _appears(partial: Path, folder: Path) -> bool:
    """Gives a finished folder its name; False if another submit has taken the name first."""
    try:
        partial.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _cannot_write(environment: Environment, error: OSError) -> StageError:
    return StageError(
        f"Cannot create a job in {environment.films_out}: {error.strerror}.",
        f"Free disk space there, and let user {os.getuid()} write to it.",
    )


def slug(name: str) -> str:
    """A name that is safe in paths, shell commands and URLs: a-z, 0-9 and single hyphens; `film` if nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-") or "film"


def is_finished(stored: StoredJob) -> bool:
    """Whether the job is done and its film is still there."""
    manifest = read_manifest(stored.folder)
    last = manifest.stages.get(all_stages()[-1].name)
    kept = last is not None and all((stored.folder / output.path).is_file() for output in last.outputs)
    return job_state(manifest) == "done" and kept
