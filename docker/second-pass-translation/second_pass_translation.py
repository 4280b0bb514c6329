"""second-pass-translation: the text once more, in the language of the audience.

Whisper translates speech into English. Each segment is heard again by itself, so that it keeps its time, its speaker
and its text in the film's own language.
"""

from typing import Any, Final, Literal

from faster_whisper import WhisperModel
from pydantic import Field

from cp_whisperx.cli import main
from cp_whisperx.contract import AsrResult, DemuxResult, SpokenSegment, TranslatedSegment, TranslationResult
from cp_whisperx.ml.models import model_version
from cp_whisperx.ml.sound import Sound, open_sound
from cp_whisperx.ml.whisper import WhisperSettings, model_for
from cp_whisperx.stage import Context, Skip, Stage, StageError

_PAD: Final = 0.1
"""Seconds around a segment, so that its first and last sound are whole."""


class TranslationSettings(WhisperSettings):
    """Whether and how the text is translated."""

    second_pass_enabled: bool = Field(
        default=True, description="Whether speech in another language than the audience's is translated."
    )
    second_pass_backend: Literal["whisper"] = Field(
        default="whisper", description="What translates; whisper gives English only."
    )
    target_language: str = Field(
        default="en", pattern=r"^[a-z]{2,3}$", description="Language of the audience, as ISO 639-1 (en, hi)."
    )


def run(context: Context[TranslationSettings]) -> TranslationResult:
    """Translates each segment, or says why there is nothing to translate."""
    settings = context.settings
    text = context.read(AsrResult)
    check_needed(text, settings)
    model = model_for(settings)
    sound = open_sound(context.path(context.read(DemuxResult).audio))
    segments: list[TranslatedSegment] = []
    for index, segment in enumerate(text.segments):
        context.progress(index / len(text.segments), f"translating {text.language} to {settings.target_language}")
        segments.append(translate(model, sound, segment, text.language, settings.whisper_beam_size))
    return TranslationResult(
        source_language=text.language,
        target_language=settings.target_language,
        method=f"whisper {settings.whisper_model}",
        segments=tuple(segments),
    )


def check_needed(text: AsrResult, settings: TranslationSettings) -> None:
    """Raises Skip where there is nothing to translate, StageError where nothing here can translate it."""
    if not settings.second_pass_enabled:
        raise Skip("SECOND_PASS_ENABLED is off.")
    if not text.segments:
        raise Skip("Nothing was said that could be translated.")
    if text.language == settings.target_language:
        raise Skip(f"The text is in the language of the audience already (TARGET_LANGUAGE={settings.target_language}).")
    if settings.target_language != "en":
        raise StageError(
            f"Whisper translates into English only, not from {text.language} into {settings.target_language} "
            f"(SECOND_PASS_BACKEND={settings.second_pass_backend}, TARGET_LANGUAGE={settings.target_language}).",
            "Set TARGET_LANGUAGE=en, or SECOND_PASS_ENABLED=false for subtitles in the film's own language.",
        )


def translate(
    model: WhisperModel, sound: Sound, segment: SpokenSegment, language: str, beam_size: int
) -> TranslatedSegment:
    """A segment in English; its own text stays where Whisper finds no words for it."""
    parts, _ = model.transcribe(
        sound.between(segment.start - _PAD, segment.end + _PAD),
        language=language,
        task="translate",
        beam_size=beam_size,
        condition_on_previous_text=False,
    )
    text = joined_text(parts) or segment.text
    return TranslatedSegment(
        start=segment.start, end=segment.end, speaker=segment.speaker, text=text, original=segment.text
    )


def joined_text(parts: Any) -> str:  # noqa: ANN401 - faster-whisper's segments
    """The text of faster-whisper's segments as one line."""
    return " ".join("".join(part.text for part in parts).split())


def load(settings: TranslationSettings) -> None:
    """Loads the model before the first job, where jobs will need it."""
    if settings.second_pass_enabled:
        model_for(settings)


STAGE: Final = Stage(
    name="second-pass-translation",
    settings=TranslationSettings,
    result=TranslationResult,
    reads=(DemuxResult, AsrResult),
    run=run,
    depends=lambda settings: model_version(f"whisper/{settings.whisper_model}"),
    load=load,
)

if __name__ == "__main__":
    main(STAGE)
