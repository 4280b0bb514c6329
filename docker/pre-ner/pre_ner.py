"""pre-ner: collects names to expect in the film's dialogue from its entry in The Movie Database.

Names of actors are left out: nobody says them in the film, and speech recognition tends to hear the names it expects.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import Field

from cp_whisperx.cli import main
from cp_whisperx.contract import CastMember, PreNerResult, TmdbResult
from cp_whisperx.ml.models import model_version
from cp_whisperx.ml.names import NameSettings, by_kind, find_names, load_language
from cp_whisperx.stage import Context, Skip, Stage

_REMARK: Final = re.compile(r"\([^)]*\)|\"|#\d+")
"""Remarks in the database's roles, such as (voice), (uncredited) and the number of a waiter."""
_SEPARATOR: Final = re.compile(r"\s*/\s*|\s+&\s+")
_TITLE: Final = re.compile(
    r"^(?:the|mr|mrs|ms|miss|mister|dr|doctor|prof|professor|sir|lady|lord|inspector|captain|capt|colonel|col|major|"
    r"sergeant|sgt|detective|officer|judge|king|queen|prince|princess|father|sister|uncle|aunt)\b\.?\s+",
    re.IGNORECASE,
)
_NOBODY: Final = frozenset({"self", "himself", "herself", "themselves", "narrator", "unknown"})


class PreNerSettings(NameSettings):
    """How names are collected."""

    pre_ner_max_names: int = Field(
        default=60, ge=0, le=200, description="Maximum number of names to pass to speech recognition; it ignores more."
    )


def run(context: Context[PreNerSettings]) -> PreNerResult:
    """Finds names in the roles and in the texts about the film."""
    film = context.read_if_done(TmdbResult)
    if film is None:
        raise Skip("There are no names of the film: the stage tmdb has no result.")
    roles = [("PERSON", name) for name in character_names(film.cast)]
    texts = [text for text in (film.title, film.tagline, film.overview) if text]
    language = load_language(context.settings.spacy_model)
    entities = by_kind([*roles, *((kind, without_title(name)) for kind, name in find_names(language, texts))])
    return PreNerResult(
        entities=entities,
        counts={kind: len(names) for kind, names in entities.items()},
        prompt=", ".join(_first_names_in(entities.values(), context.settings.pre_ner_max_names)),
    )


def character_names(cast: Iterable[CastMember]) -> Iterator[str]:
    """The names in the roles of a cast, in order of billing, without titles and remarks."""
    for member in sorted(cast, key=lambda member: member.order):
        for part in _SEPARATOR.split(_REMARK.sub(" ", member.character)):
            name = without_title(" ".join(part.split()))
            if name[:1].isupper() and name.lower() not in _NOBODY:
                yield name


def without_title(name: str) -> str:
    """A name without the titles before it; a title alone stays."""
    while (shorter := _TITLE.sub("", name, count=1)) not in (name, ""):
        name = shorter
    return name


def _first_names_in(kinds: Iterable[Iterable[str]], most: int) -> list[str]:
    return list(dict.fromkeys(name for names in kinds for name in names))[:most]


def load(settings: PreNerSettings) -> None:
    """Loads the model before the first job."""
    load_language(settings.spacy_model)


STAGE: Final = Stage(
    name="pre-ner",
    settings=PreNerSettings,
    result=PreNerResult,
    reads=(TmdbResult,),
    run=run,
    depends=lambda settings: model_version(f"spacy/{settings.spacy_model}"),
    load=load,
)

if __name__ == "__main__":
    main(STAGE)
