"""second-pass-translation: translates the text into the language of the audience.

With MODELS_SOURCE=hub, and torch in the image, NLLB-200 translates the text, or Opus-MT into English. Otherwise Whisper
translates the speech into English: one segment at a time, so that each keeps its time, its speaker and its original
text.
"""

import json
import logging
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from faster_whisper import WhisperModel
from pydantic import Field

from cp_whisperx.cli import main
from cp_whisperx.contract import AsrResult, DemuxResult, SpokenSegment, TranslatedSegment, TranslationResult
from cp_whisperx.ml.hub import ModelAbsent, from_hub, hub_version, snapshot, torch_is_here, uses_torch_models
from cp_whisperx.ml.quiet import quietly
from cp_whisperx.ml.sound import Sound, open_sound
from cp_whisperx.ml.whisper_models import WhisperSettings, load_first, model_for, steps_for, within_memory
from cp_whisperx.ml.whisper_weights import weights_version
from cp_whisperx.stage import Context, Skip, Stage, StageError
from cp_whisperx.whisper_choice import WhisperStep

_log: Final = logging.getLogger("cp_whisperx.second_pass_translation")

Backend = Literal["nllb", "opus-mt", "whisper"]

HUB_MODELS: Final[dict[Backend, str]] = {
    "nllb": "facebook/nllb-200-distilled-600M",
    "opus-mt": "Helsinki-NLP/opus-mt-mul-en",
}
_PAD: Final = 0.1
"""Seconds added around a segment, so that its first and last sounds are complete."""


class TranslationSettings(WhisperSettings):
    """Whether and how the text is translated."""

    second_pass_enabled: bool = Field(
        default=True, description="Whether to translate speech that is not in the language of the audience."
    )
    second_pass_backend: Literal["auto", "nllb", "opus-mt", "whisper"] = Field(
        default="auto",
        description="The translation model: nllb translates into any language, opus-mt and whisper into English only; "
        "auto: the first of these that is available. nllb and opus-mt are hub models and need torch.",
    )
    second_pass_batch_size: int = Field(default=16, ge=1, le=128, description="Batch size of nllb and opus-mt.")
    second_pass_beam_size: int = Field(default=5, ge=1, le=20, description="Beam width of nllb and opus-mt.")
    target_language: str = Field(
        default="en", pattern=r"^[a-z]{2,3}$", description="Language of the audience, as ISO 639-1 (en, hi)."
    )


def run(context: Context[TranslationSettings]) -> TranslationResult:
    """Translates each segment; raises Skip if there is nothing to translate."""
    settings = context.settings
    text = context.read(AsrResult)
    check_needed(text, settings)
    backend = choose_backend(text.language, settings, context)
    segments, method = (
        translated_by_whisper(context, text) if backend == "whisper" else translated_by_hub(context, text, backend)
    )
    return TranslationResult(
        source_language=text.language,
        target_language=settings.target_language,
        method=method,
        segments=tuple(segments),
    )


def check_needed(text: AsrResult, settings: TranslationSettings) -> None:
    """Raises Skip if there is nothing to translate, StageError if no backend can translate it."""
    if not settings.second_pass_enabled:
        raise Skip("SECOND_PASS_ENABLED is off.")
    if not text.segments:
        raise Skip("There is no speech to translate.")
    if text.language == settings.target_language:
        raise Skip(f"The text is already in the language of the audience (TARGET_LANGUAGE={settings.target_language}).")
    best = candidates(settings)[0]
    if best != "nllb" and settings.target_language != "en":
        raise _english_only(best, text.language, settings)


def candidates(settings: TranslationSettings) -> tuple[Backend, ...]:
    """The allowed backends, the best first."""
    chosen = settings.second_pass_backend
    if chosen != "auto":
        return (chosen,)
    return ("nllb", "opus-mt", "whisper") if uses_torch_models() else ("whisper",)


def choose_backend(language: str, settings: TranslationSettings, context: Context[Any]) -> Backend:
    """The first backend that is available and supports both languages; warns why a better one is not used.

    Raises StageError if there is none.
    """
    problems: list[StageError] = []
    for backend in candidates(settings):
        try:
            check_backend(backend, language, settings)
        except StageError as error:
            problems.append(error)
            continue
        for problem in problems:
            context.warn(f"{backend} is used for the translation. {problem.reason} {problem.way_out}")
        return backend
    raise problems[0]


def check_backend(backend: Backend, language: str, settings: TranslationSettings) -> None:
    """Raises StageError if a backend is missing or does not support the languages."""
    if backend != "nllb" and settings.target_language != "en":
        raise _english_only(backend, language, settings)
    if backend == "whisper":
        return
    hub_folder(backend, settings)
    unknown = [code for code in (language, settings.target_language) if code not in nllb_languages()]
    if backend == "nllb" and unknown:
        raise StageError(
            f"nllb does not support the language {unknown[0]} ({_chosen(settings)}).",
            "Set another TARGET_LANGUAGE, or SECOND_PASS_ENABLED=false for subtitles in the film's own language.",
        )


def hub_folder(backend: Backend, settings: TranslationSettings) -> Path:
    """The folder of a hub model; raises ModelAbsent if it is missing, StageError if this image cannot use it."""
    if not torch_is_here():
        raise StageError(
            f"{backend} needs torch, which this image does not have ({_chosen(settings)}).",
            "Use the variant cuda, or set SECOND_PASS_BACKEND to whisper or auto.",
        )
    return snapshot(HUB_MODELS[backend])


def _english_only(backend: Backend, language: str, settings: TranslationSettings) -> StageError:
    return StageError(
        f"{backend} translates into English only, not from {language} into {settings.target_language} "
        f"({_chosen(settings)}).",
        "Set TARGET_LANGUAGE=en, or SECOND_PASS_ENABLED=false for subtitles in the film's own language; "
        "nllb (`models.source: hub`, variant cuda) knows more languages.",
    )


def _chosen(settings: TranslationSettings) -> str:
    return f"SECOND_PASS_BACKEND={settings.second_pass_backend}, TARGET_LANGUAGE={settings.target_language}"


@cache
def nllb_languages() -> dict[str, str]:
    """NLLB-200's names of languages, by their ISO 639-1 codes."""
    languages: dict[str, str] = json.loads(Path(__file__).with_name("nllb_languages.json").read_text())
    return languages


def translated_by_hub(
    context: Context[TranslationSettings], text: AsrResult, backend: Backend
) -> tuple[list[TranslatedSegment], str]:
    """The translated segments, from their text, and the name of the model."""
    settings = context.settings
    names = nllb_languages() if backend == "nllb" else {}
    with quietly():
        from hub_translation import HubTranslator  # noqa: PLC0415 - needs torch, which few images have

        translator = HubTranslator(
            snapshot(HUB_MODELS[backend]),
            names.get(text.language, ""),
            names.get(settings.target_language, ""),
            settings.threads,
        )
    texts = translator.translate(
        [segment.text for segment in text.segments],
        settings.second_pass_beam_size,
        settings.second_pass_batch_size,
        context,
    )
    segments = [in_other_words(segment, words) for segment, words in zip(text.segments, texts, strict=True)]
    return segments, HUB_MODELS[backend].split("/")[1]


def translated_by_whisper(
    context: Context[TranslationSettings], text: AsrResult
) -> tuple[list[TranslatedSegment], str]:
    """The segments in English, from their audio, and the name of the model."""
    sound = open_sound(context.path(context.read(DemuxResult).audio))

    def work(step: WhisperStep) -> tuple[list[TranslatedSegment], str]:
        return _translated(context, text, sound, step), f"whisper {step.model}"

    return within_memory(context, steps_for(context.settings, batch_size=1), work)


def _translated(
    context: Context[TranslationSettings], text: AsrResult, sound: Sound, step: WhisperStep
) -> list[TranslatedSegment]:
    settings = context.settings
    model = model_for(step)
    segments: list[TranslatedSegment] = []
    for index, segment in enumerate(text.segments):
        context.progress(index / len(text.segments), f"translating {text.language} to {settings.target_language}")
        segments.append(translate(model, sound, segment, text.language, settings.whisper_beam_size))
    return segments


def translate(
    model: WhisperModel, sound: Sound, segment: SpokenSegment, language: str, beam_size: int
) -> TranslatedSegment:
    """A segment in English; keeps the original text if Whisper finds no words."""
    parts, _ = model.transcribe(
        sound.between(segment.start - _PAD, segment.end + _PAD),
        language=language,
        task="translate",
        beam_size=beam_size,
        condition_on_previous_text=False,
    )
    return in_other_words(segment, joined_text(parts))


def in_other_words(segment: SpokenSegment, words: str) -> TranslatedSegment:
    """A translated segment; keeps the original text if the translation is empty."""
    return TranslatedSegment(
        start=segment.start,
        end=segment.end,
        speaker=segment.speaker,
        text=words or segment.text,
        original=segment.text,
    )


def joined_text(parts: Any) -> str:  # noqa: ANN401 - faster-whisper's segments
    """The text of faster-whisper's segments as one line."""
    return " ".join("".join(part.text for part in parts).split())


def load(settings: TranslationSettings) -> None:
    """Loads the best available model before the first job, if jobs may need it.

    Raises ModelAbsent if there is none.
    """
    if not settings.second_pass_enabled:
        return
    missing: list[ModelAbsent] = []
    for backend in candidates(settings):
        try:
            _load(backend, settings)
        except ModelAbsent as absent:
            missing.append(absent)
            _log.warning("%s will not translate: %s %s", backend, absent.reason, absent.way_out)
        else:
            return
    raise missing[0]


def _load(backend: Backend, settings: TranslationSettings) -> None:
    if backend == "whisper":
        load_first(steps_for(settings, batch_size=1))
        return
    folder = hub_folder(backend, settings)
    with quietly():
        from hub_translation import load_model  # noqa: PLC0415 - as above

        load_model(folder)


def version(settings: TranslationSettings) -> str:
    """The versions of the weights, for the key of the result."""
    whisper = weights_version(steps_for(settings)[0].model)
    return f"{hub_version(*HUB_MODELS.values())} {whisper}" if from_hub() else whisper


STAGE: Final = Stage(
    name="second-pass-translation",
    settings=TranslationSettings,
    result=TranslationResult,
    reads=(DemuxResult, AsrResult),
    run=run,
    depends=version,
    load=load,
)

if __name__ == "__main__":
    main(STAGE)
