"""asr: transcribes speech, with the time and the speaker of each word.

It transcribes only the speech that the voice activity stages found. Names from pre-ner are hotwords for the model.
Whisper splits the text into segments; a segment is split again at a change of speaker.

With MODELS_SOURCE=hub, and torch in the image, whisperx aligns the words with the audio if it has a model for the
language: Whisper's own timestamps are off by some tenths of a second.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from cp_whisperx.cli import main
from cp_whisperx.contract import (
    AsrResult,
    DemuxResult,
    DiarizationResult,
    PreNerResult,
    PyannoteVadResult,
    SileroVadResult,
    SpeakerSpan,
    SpokenSegment,
    Word,
)
from cp_whisperx.ml.intervals import Interval
from cp_whisperx.ml.sound import Sound, open_sound
from cp_whisperx.ml.stock_phrases import is_stock_phrase
from cp_whisperx.ml.whisper import Heard, HeardWord, Hearing, find_language, transcribe
from cp_whisperx.ml.whisper_models import load_first, model_for, steps_for, within_memory
from cp_whisperx.ml.whisper_weights import weights_name, weights_version
from cp_whisperx.stage import Context, Stage
from cp_whisperx.whisper_choice import WhisperStep
from speakers import speakers_of_words
from word_times import WordTimesSettings, aligned, aligner_version, load_aligner, within_speech


class AsrSettings(WordTimesSettings):
    """How speech is transcribed."""

    whisper_language: str = Field(
        default="",
        pattern=r"^([a-z]{2,3})?$",
        description="Language of the film, as ISO 639-1 (en, hi); empty: detected.",
    )
    whisper_task: Literal["transcribe", "translate"] = Field(
        default="transcribe", description="transcribe keeps the film's language, translate gives English."
    )
    whisper_batch_size: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Batch size; a larger one needs more memory. 0: chosen by the hardware.",
    )
    whisper_chunk_seconds: int = Field(
        default=16, ge=5, le=29, description="Longest chunk in seconds; in longer ones the model may skip the end."
    )
    whisper_hotwords: str = Field(
        default="", max_length=2000, description="Names and terms to expect, in addition to those that pre-ner finds."
    )

    @model_validator(mode="after")
    def _a_translation_does_not_sound(self) -> Self:
        if self.whisper_align == "always" and self.whisper_task == "translate":
            raise ValueError("WHISPER_ALIGN=always needs the words that are spoken, not WHISPER_TASK=translate")
        return self


def run(context: Context[AsrSettings]) -> AsrResult:
    """Transcribes all speech, then assigns a speaker to each word; uses a smaller step when out of memory."""
    settings = context.settings
    sound = open_sound(context.path(context.read(DemuxResult).audio))
    speech = _speech(context)
    steps = steps_for(settings, settings.whisper_batch_size)
    if not speech:
        return AsrResult(language=settings.whisper_language or "und", segments=(), model=weights_name(steps[0].model))
    heard, language, step = within_memory(context, steps, lambda step: _hear(context, sound, speech, step))
    heard = _without_stock_phrases(context, heard)
    models = [weights_name(step.model)]
    if settings.whisper_task == "translate":
        language = "en"
    else:
        heard, aligner = aligned(context, sound, heard, language, step)
        models.extend([aligner] if aligner else [])
    return AsrResult(
        language=language,
        segments=spoken(within_speech(heard, speech), context.read(DiarizationResult).segments),
        model=" + ".join(models),
    )


def _hear(
    context: Context[AsrSettings], sound: Sound, speech: Sequence[Interval], step: WhisperStep
) -> tuple[Sequence[Heard], str, WhisperStep]:
    """Transcribes all speech with one WhisperStep: the text, the spoken language, and that step."""
    settings = context.settings
    model = model_for(step)
    language = settings.whisper_language or find_language(model, sound, speech)
    hearing = Hearing(
        language=language,
        task=settings.whisper_task,
        beam_size=settings.whisper_beam_size,
        batch_size=step.batch_size,
        piece_seconds=settings.whisper_chunk_seconds,
        hotwords=_hotwords(context),
    )
    heard = transcribe(
        model, sound, speech, hearing, lambda done: context.progress(done, f"transcribing speech ({language})")
    )
    return heard, language, step


def _without_stock_phrases(context: Context[AsrSettings], heard: Sequence[Heard]) -> list[Heard]:
    """Removes the phrases that Whisper hallucinates, with a warning to the user."""
    invented = [stretch for stretch in heard if is_stock_phrase(stretch.text)]
    if invented:
        first = f"{invented[0].text!r} at {invented[0].interval[0]:.0f} s"
        context.warn(f"Left out {len(invented)} phrases that Whisper hallucinates in silence, such as {first}.")
    return [stretch for stretch in heard if stretch not in invented]


def _speech(context: Context[AsrSettings]) -> list[Interval]:
    """The speech segments of pyannote-vad, else of silero-vad."""
    found = context.read_if_done(PyannoteVadResult) or context.read(SileroVadResult)
    return [(span.start, span.end) for span in found.segments]


def _hotwords(context: Context[AsrSettings]) -> str | None:
    names = context.read_if_done(PreNerResult)
    parts = [context.settings.whisper_hotwords, names.prompt if names else ""]
    return ", ".join(part for part in parts if part) or None


def spoken(heard: Sequence[Heard], turns: Sequence[SpeakerSpan]) -> tuple[SpokenSegment, ...]:
    """The text as segments of one speaker each."""
    segments: list[SpokenSegment] = []
    for stretch in heard:
        speakers = speakers_of_words(stretch.words, turns)
        pairs = zip(stretch.words, speakers, strict=True)
        for speaker, run_of_words in groupby(pairs, key=lambda pair: pair[1]):
            segment = _segment([word for word, _ in run_of_words], speaker)
            if segment.text:
                segments.append(segment)
    return tuple(segments)


def _segment(words: Sequence[HeardWord], speaker: str | None) -> SpokenSegment:
    return SpokenSegment(
        start=round(words[0].start, 3),
        end=round(words[-1].end, 3),
        text="".join(word.text for word in words).strip(),
        speaker=speaker,
        words=tuple(
            Word(
                start=round(word.start, 3),
                end=round(word.end, 3),
                text=word.text.strip(),
                probability=round(word.probability, 3),
            )
            for word in words
        ),
    )


def load(settings: AsrSettings) -> None:
    """Loads the models before the first job."""
    load_first(steps_for(settings, settings.whisper_batch_size))
    if settings.whisper_task == "transcribe":
        load_aligner(settings, settings.whisper_language)


def version(settings: AsrSettings) -> str:
    """The models for transcription and alignment with their versions, for the key of the result."""
    return f"{weights_version(steps_for(settings)[0].model)} {aligner_version(settings)}".rstrip()


STAGE: Final = Stage(
    name="asr",
    settings=AsrSettings,
    result=AsrResult,
    reads=(DemuxResult, PreNerResult, SileroVadResult, PyannoteVadResult, DiarizationResult),
    run=run,
    depends=version,
    load=load,
)

if __name__ == "__main__":
    main(STAGE)
