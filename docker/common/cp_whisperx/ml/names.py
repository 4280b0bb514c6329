"""Names of people and places in texts, found by spaCy."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final

import spacy
from pydantic import Field
from spacy.language import Language

from cp_whisperx.ml.models import damaged_model, model_path
from cp_whisperx.stage import StageSettings

KINDS: Final = ("PERSON", "ORG", "GPE", "LOC", "FAC")
"""The entity types to keep: people, organisations, states and towns, landscapes, buildings."""

_UNUSED: Final = ("tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer")
"""Components of the model that named entity recognition does not need."""

Entities = Mapping[str, Sequence[str]]
"""Names by kind."""


class NameSettings(StageSettings):
    """Settings of the stages that look for names."""

    spacy_model: str = Field(
        default="en_core_web_sm",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Model that finds names: the name of its folder in the model cache, below spacy/.",
    )


@cache
def load_language(name: str) -> Language:
    """A spaCy model from the cache, loaded once per worker; raises StageError if it is missing or damaged."""
    path = model_path(f"spacy/{name}")
    try:
        return spacy.load(path, exclude=_UNUSED)
    except (OSError, ValueError, KeyError) as error:
        raise damaged_model(path, error) from error


@cache
def common_words(name: str) -> frozenset[str]:
    """The vocabulary of a spaCy model in lower case; raises StageError if the model is missing or damaged.

    Read from the file, not from the loaded model: that one adds every word that it meets.
    """
    path = model_path(f"spacy/{name}/vocab/strings.json")
    try:
        strings: list[str] = json.loads(path.read_bytes())
    except ValueError as error:
        raise damaged_model(path, error) from error
    return frozenset(word for word in strings if word.isalpha() and word.islower())


def find_names(language: Language, texts: Iterable[str]) -> list[tuple[str, str]]:
    """The type and the text of each named entity, in order."""
    return [
        (entity.label_, " ".join(entity.text.split()))
        for document in language.pipe(texts)
        for entity in document.ents
        if entity.label_ in KINDS
    ]


def by_kind(names: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """The names by type without duplicates: types in a fixed order, names in order of appearance."""
    collected: dict[str, dict[str, None]] = {kind: {} for kind in KINDS}
    for kind, name in names:
        collected[kind][name] = None
    return {kind: tuple(found) for kind, found in collected.items() if found}
