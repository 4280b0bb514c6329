"""The timestamps of words: from whisperx if it has a model for the language, else Whisper's own."""

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from pydantic import Field

from cp_whisperx.backoff import OutOfMemoryError
from cp_whisperx.ml.hub import ModelAbsent, hub_version, snapshot, torch_is_here, uses_torch_models
from cp_whisperx.ml.intervals import Interval
from cp_whisperx.ml.quiet import quietly
from cp_whisperx.ml.sound import Sound
from cp_whisperx.ml.whisper import Heard, HeardWord
from cp_whisperx.ml.whisper_models import WhisperSettings
from cp_whisperx.stage import Context, StageError
from cp_whisperx.whisper_choice import WhisperStep

if TYPE_CHECKING:
    from hub_alignment import HubAligner

_log: Final = logging.getLogger("cp_whisperx.asr")

MODELS: Final = {"en": "facebook/wav2vec2-base-960h"}
"""The hub's alignment model for each language, by ISO 639-1 code."""


class WordTimesSettings(WhisperSettings):
    """How words get their timestamps."""

    whisper_align: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether whisperx aligns words with the audio, with a hub model for English that needs torch; "
        "auto: if possible, else Whisper's own timestamps are used; always: the job fails if it is not possible.",
    )


S = TypeVar("S", bound=WordTimesSettings)


def open_aligner(language: str, settings: WordTimesSettings, tell: Callable[[str], None]) -> "HubAligner | None":
    """The alignment model of a language; None if Whisper's timestamps are used. `tell` gets a warning if it is missing.

    Raises StageError if the model is damaged, or if WHISPER_ALIGN=always is not possible.
    """
    always = settings.whisper_align == "always"
    if settings.whisper_align == "never" or not (always or uses_torch_models()):
        return None
    try:
        folder = _folder(language, settings)
    except StageError as problem:
        if always:
            raise
        if isinstance(problem, ModelAbsent):
            tell(_stand(problem))
        return None
    with quietly():
        from hub_alignment import open_hub_aligner  # noqa: PLC0415 - needs torch, which few images have

        return open_hub_aligner(folder, settings.threads)


def _folder(language: str, settings: WordTimesSettings) -> Path:
    chosen = f"WHISPER_ALIGN={settings.whisper_align}"
    if language not in MODELS:
        raise StageError(
            f"There is no alignment model for {language} ({chosen}).", "Set WHISPER_ALIGN to auto or never."
        )
    if not torch_is_here():
        raise StageError(
            f"Aligning words needs torch, which this image does not have ({chosen}).",
            "Use the variant cuda, or set WHISPER_ALIGN to auto or never.",
        )
    return snapshot(MODELS[language])


def _stand(problem: StageError) -> str:
    return f"Whisper's own timestamps of words are used. {problem.reason} {problem.way_out}"


def load_aligner(settings: WordTimesSettings, language: str) -> None:
    """Opens the model of `language`, or all models if it is empty, before the first job; raises as open_aligner."""
    for each in [language] if language else MODELS:
        open_aligner(each, settings, _log.warning)


def aligner_version(settings: WordTimesSettings) -> str:
    """The versions of the alignment models, for the key of the result; empty if they are not used."""
    return hub_version(*MODELS.values()) if settings.whisper_align != "never" and uses_torch_models() else ""


def aligned(
    context: Context[S], sound: Sound, heard: Sequence[Heard], language: str, step: WhisperStep
) -> tuple[Sequence[Heard], str]:
    """The text with aligned timestamps, and the alignment model with its commit; else the text unchanged and "".

    `step` is the one with which Whisper transcribed it.
    """
    aligner = open_aligner(language, context.settings, context.warn)
    if aligner is None:
        return heard, ""
    room = aligner.room(context, step)
    result: list[Heard] = []
    try:
        for stretch in heard:
            context.progress(len(result) / len(heard), "aligning words")
            spans = aligner.spans(stretch.words, sound.between(*stretch.interval), room)
            start = stretch.interval[0]
            result.append(Heard(fitted(stretch.words, [span and (start + span[0], start + span[1]) for span in spans])))
    except OutOfMemoryError as full:
        if context.settings.whisper_align == "always":
            raise
        context.warn(_stand(full))
        return heard, ""
    return result, hub_version(MODELS[language])


def within_speech(heard: Sequence[Heard], speech: Sequence[Interval]) -> list[Heard]:
    """Clips words to the speech that they are in.

    Whisper may let a word next to a pause begin or end within the pause. `speech` is sorted and does not overlap.
    """
    return [Heard(tuple(_clipped(word, speech) for word in stretch.words)) for stretch in heard]


def _clipped(word: HeardWord, speech: Sequence[Interval]) -> HeardWord:
    first = bisect_right(speech, word.start, key=lambda span: span[1])
    last = bisect_left(speech, word.end, key=lambda span: span[0]) - 1
    if first > last:
        return word
    return replace(word, start=max(word.start, speech[first][0]), end=min(word.end, speech[last][1]))


def fitted(words: Sequence[HeardWord], found: Sequence[Interval | None]) -> tuple[HeardWord, ...]:
    """The words of a segment with the aligned times, in order and within the segment.

    A word that could not be aligned keeps its time, limited by its neighbours.
    """
    first, last = words[0].start, words[-1].end
    within = [span and (min(max(span[0], first), last), min(max(span[1], first), last)) for span in found]
    # The latest end of each word: the start of the next aligned word.
    limits = [last]
    for span in reversed(within[1:]):
        limits.append(min(limits[-1], span[0]) if span else limits[-1])
    result: list[HeardWord] = []
    before = first
    for word, span, limit in zip(words, within, reversed(limits), strict=True):
        start, end = span or (word.start, word.end)
        start = min(max(start, before), limit)
        before = min(max(end, start), limit)
        result.append(replace(word, start=start, end=before))
    return tuple(result)
