"""post-ner: corrects slightly misrecognised names, and lists the names in the text.

A word is changed only if it begins with a capital, is very similar to a known name, and is not in the dictionary.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import Field
from rapidfuzz import fuzz, process

from cp_whisperx.cli import main
from cp_whisperx.contract import (
    AsrResult,
    Correction,
    PostNerResult,
    PreNerResult,
    SpokenSegment,
    TranslationResult,
    Word,
)
from cp_whisperx.ml.models import model_version
from cp_whisperx.ml.names import NameSettings, by_kind, common_words, find_names, load_language
from cp_whisperx.stage import Context, Stage

_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
"""A word, with apostrophes and hyphens within it."""
_POSSESSIVE: Final = re.compile(r"['\u2019]s$", re.IGNORECASE)
_SHORTEST_NAME: Final = 4
"""Letters; shorter names are similar to too many words."""
_SENTENCE_END: Final = re.compile(r"[.!?…।]\W*$")


class PostNerSettings(NameSettings):
    """How names are corrected."""

    post_ner_ratio: float = Field(
        default=80,
        ge=60,
        le=100,
        description="Similarity in percent at which a word becomes a known name; 100 corrects letter case only.",
    )


@dataclass(frozen=True)
class Corrector:
    """The known names and the rules to correct a word."""

    names: tuple[str, ...]
    """Known names, word by word."""
    common: frozenset[str]
    """The words of the dictionary, in lower case."""
    ratio: float
    at_sentence_start: bool
    """Whether to correct the first word of a sentence: only if the dictionary has the text's language."""

    def match(self, word: str) -> tuple[str, float] | None:
        """The known name for a misrecognised word with its similarity in percent; None to keep the word."""
        if not word[0].isupper() or len(word) < _SHORTEST_NAME or word in self.names or word.lower() in self.common:
            return None
        alike = [name for name in self.names if name[0] == word[0]]
        best = process.extractOne(word, alike, scorer=fuzz.ratio, processor=str.lower, score_cutoff=self.ratio)
        return (best[0], best[1]) if best else None


def run(context: Context[PostNerSettings]) -> PostNerResult:
    """Corrects the translation if there is one, else the transcript."""
    translation = context.read_if_done(TranslationResult)
    text = context.read(AsrResult)
    given: Sequence[SpokenSegment] = translation.segments if translation else text.segments
    in_english = (translation.target_language if translation else text.language) == "en"
    language = load_language(context.settings.spacy_model)
    corrector = Corrector(
        names=known_names(context.read_if_done(PreNerResult)),
        common=common_words(context.settings.spacy_model),
        ratio=context.settings.post_ner_ratio,
        at_sentence_start=in_english,
    )
    corrected = [correct(segment, corrector) for segment in given]
    segments = tuple(segment for segment, _ in corrected)
    return PostNerResult(
        source="second-pass-translation" if translation else "asr",
        segments=segments,
        corrections=tuple(correction for _, corrections in corrected for correction in corrections),
        entities=by_kind(find_names(language, (segment.text for segment in segments))) if in_english else {},
    )


def known_names(found: PreNerResult | None) -> tuple[str, ...]:
    """The words of pre-ner's names that are long enough to be distinctive."""
    names = [name for kind in found.entities.values() for name in kind] if found else []
    words = [word for name in names for word in _WORD.findall(_POSSESSIVE.sub("", name))]
    return tuple(dict.fromkeys(word for word in words if len(word) >= _SHORTEST_NAME and word[0].isupper()))


def correct(segment: SpokenSegment, corrector: Corrector) -> tuple[SpokenSegment, list[Correction]]:
    """A segment with corrected names, in its text and its words, and the corrections."""
    text, changes = correct_text(segment.text, corrector)
    if not changes:
        return _plain(segment, segment.text, segment.words), []
    words = tuple(word.model_copy(update={"text": _replaced(word.text, changes)}) for word in segment.words)
    corrections = [
        Correction(start=_start(segment, original), original=original, corrected=name, score=round(score, 1))
        for original, (name, score) in changes.items()
    ]
    return _plain(segment, text, words), corrections


def correct_text(text: str, corrector: Corrector) -> tuple[str, dict[str, tuple[str, float]]]:
    """The text with corrected names; and for each changed word its name with the similarity in percent."""
    changes: dict[str, tuple[str, float]] = {}
    for place in _WORD.finditer(text):
        word = _POSSESSIVE.sub("", place.group())
        if not corrector.at_sentence_start and _starts_sentence(text[: place.start()]):
            continue
        if found := corrector.match(word):
            changes[word] = found
    return _replaced(text, changes), changes


def _starts_sentence(before: str) -> bool:
    return not before.strip() or _SENTENCE_END.search(before) is not None


def _replaced(text: str, changes: Mapping[str, tuple[str, float]]) -> str:
    """The text with every changed word replaced; a possessive ending stays."""

    def name_for(place: re.Match[str]) -> str:
        word = _POSSESSIVE.sub("", place.group())
        return place.group().replace(word, changes[word][0], 1) if word in changes else place.group()

    return _WORD.sub(name_for, text)


def _start(segment: SpokenSegment, original: str) -> float:
    """The start of a word; the start of its segment if its words have no timestamps."""
    return next((word.start for word in segment.words if original in word.text), segment.start)


def _plain(segment: SpokenSegment, text: str, words: Iterable[Word]) -> SpokenSegment:
    """A SpokenSegment, without the fields of a translation."""
    return SpokenSegment(start=segment.start, end=segment.end, text=text, speaker=segment.speaker, words=tuple(words))


def load(settings: PostNerSettings) -> None:
    """Loads the model before the first job."""
    load_language(settings.spacy_model)
    common_words(settings.spacy_model)


STAGE: Final = Stage(
    name="post-ner",
    settings=PostNerSettings,
    result=PostNerResult,
    reads=(PreNerResult, AsrResult, TranslationResult),
    run=run,
    depends=lambda settings: model_version(f"spacy/{settings.spacy_model}"),
    load=load,
)

if __name__ == "__main__":
    main(STAGE)
