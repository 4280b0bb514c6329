"""tmdb: looks the film up in The Movie Database, for the names to expect in its dialogue."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import Field

from cp_whisperx.cli import main
from cp_whisperx.contract import CastMember, CrewMember, TmdbResult
from cp_whisperx.stage import Context, Skip, Stage, StageError, StageSettings
from film_name import FilmName, read_film_name
from offline import serve_folder

if TYPE_CHECKING:
    from themoviedb.schemas._partial import PartialMovie
    from themoviedb.schemas.credits import Credits
    from themoviedb.schemas.keywords import Keywords
    from themoviedb.schemas.movies import Movie
    from themoviedb.tmdb import TMDb

_MOST_CAST: Final = 20


class TmdbSettings(StageSettings):
    """Where films are looked up, and in which language."""

    tmdb_language: str = Field(
        default="en-US", pattern=r"^[a-z]{2}(-[A-Z]{2})?$", description="Language of titles and descriptions."
    )
    tmdb_timeout_seconds: int = Field(default=10, ge=1, le=60, description="Timeout of a request in seconds.")
    tmdb_api_key_file: str = Field(
        default="/run/secrets/tmdb_api_key", description="File that holds the API key of The Movie Database."
    )
    tmdb_offline_folder: str = Field(
        default="/config/tmdb",
        description="Folder with responses in The Movie Database's JSON format; if it exists, no request is sent.",
    )


class _NoAnswer(Exception):  # noqa: N818 - reads as what happened
    """The Movie Database did not answer; the stage may be retried."""


def run(context: Context[TmdbSettings]) -> TmdbResult:
    """The first hit of the film's year, else the first hit."""
    wanted = read_film_name(context.job.film)
    wanted = FilmName(context.job.title or wanted.title, context.job.year or wanted.year)
    with _client(context.settings) as client, _told_clearly(context.settings):
        hits = client.search().movies(wanted.title).results or []
        hit = choose(hits, wanted.year)
        if hit is None or hit.id is None:
            raise Skip(f"The Movie Database has no film {wanted.title!r}; `submit --title` names it better.")
        movie = client.movie(hit.id)
        return to_result(movie.details(), movie.credits(), movie.keywords())


def choose(hits: "list[PartialMovie]", year: int | None) -> "PartialMovie | None":
    """The first hit of the year, else the first hit."""
    of_the_year = [hit for hit in hits if hit.release_date and hit.release_date.year == year]
    return next(iter([*of_the_year, *hits]), None)


def to_result(movie: "Movie", people: "Credits", keywords: "Keywords") -> TmdbResult:
    """The responses as a TmdbResult."""
    return TmdbResult(
        tmdb_id=movie.id or 0,
        title=movie.title or "",
        original_title=movie.original_title or "",
        release_date=movie.release_date.isoformat() if movie.release_date else None,
        overview=movie.overview or "",
        tagline=movie.tagline or "",
        runtime=movie.runtime,
        genres=tuple(genre.name for genre in movie.genres or [] if genre.name),
        countries=tuple(country.name for country in movie.production_countries or [] if country.name),
        languages=tuple(language.english_name for language in movie.spoken_languages or [] if language.english_name),
        cast=tuple(
            CastMember(name=person.name, character=person.character or "", order=person.order or 0)
            for person in (people.cast or [])[:_MOST_CAST]
            if person.name
        ),
        crew=tuple(CrewMember(name=person.name, job=person.job or "") for person in people.crew or [] if person.name),
        keywords=tuple(keyword.name for keyword in keywords.keywords or [] if keyword.name),
    )


@contextlib.contextmanager
def _client(settings: TmdbSettings) -> "Iterator[TMDb]":
    """A client for the offline folder if it exists, else for the live service."""
    from themoviedb.tmdb import TMDb  # noqa: PLC0415 - takes half a second, too long for the worker's start

    with contextlib.ExitStack() as stack:
        folder = Path(settings.tmdb_offline_folder)
        offline = stack.enter_context(serve_folder(folder)) if folder.is_dir() else None
        key = "offline" if offline else _read_key(Path(settings.tmdb_api_key_file))
        client = TMDb(api_key=key, language=settings.tmdb_language, timeout=settings.tmdb_timeout_seconds)
        if offline:
            # The package has no public way to set the address; its version is pinned exactly for that.
            client._config.host = offline  # noqa: SLF001
        yield client


def _read_key(path: Path) -> str:
    try:
        key = path.read_text().strip()
    except FileNotFoundError:
        key = ""
    if not key:
        raise Skip("There is no key of The Movie Database: set the secret tmdbApiKey to look films up.")
    return key


@contextlib.contextmanager
def _told_clearly(settings: TmdbSettings) -> Iterator[None]:
    """Turns the client's errors into ours. Theirs name the address that was asked, with the key in it."""
    from requests import RequestException  # noqa: PLC0415 - comes with the client
    from themoviedb.exceptions import TMDbAuthenticationError, TMDbError, TMDbHTTPError  # noqa: PLC0415

    try:
        yield
    except TMDbAuthenticationError:
        raise StageError("The Movie Database refuses the key.", "Correct the secret tmdbApiKey.") from None
    except TMDbHTTPError as error:
        if Path(settings.tmdb_offline_folder).is_dir():
            lacking = error.url.partition("/3/")[2]
            raise StageError(
                f"The folder {settings.tmdb_offline_folder} has no file {lacking}.json.",
                "Add it, or remove the folder.",
            ) from None
        raise _NoAnswer(f"The Movie Database answered with status {error.status_code}.") from None
    except (TMDbError, RequestException) as error:
        raise _NoAnswer(f"The Movie Database does not answer ({type(error).__name__}).") from None


def offline_data(settings: TmdbSettings) -> str:
    """A hash of the offline folder: new data there makes the look-up be done again."""
    digest = hashlib.sha256()
    for path in sorted(Path(settings.tmdb_offline_folder).rglob("*.json")):
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


STAGE: Final = Stage(name="tmdb", settings=TmdbSettings, result=TmdbResult, reads=(), run=run, depends=offline_data)

if __name__ == "__main__":
    main(STAGE)
