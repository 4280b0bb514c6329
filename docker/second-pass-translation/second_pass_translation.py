"""second-pass-translation: the text once more, in the language of the audience.

With MODELS_SOURCE=hub, and torch in the image, NLLB-200 translates the text, or Opus-MT where it is into English. Else
Whisper translates speech into English: each segment is heard again by itself, so that it keeps its time, its speaker
and its text in the film's own language.
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
"""Seconds around a segment, so that its first and last sound are whole."""


class TranslationSettings(WhisperSettings):
    """Whether and how the text is translated."""

    second_pass_enabled: bool = Field(
        default=True, description="Whether speech in another language than the audience's is translated."
    )
    second_pass_backend: Literal["auto", "nllb", "opus-mt", "whisper"] = Field(
        default="auto",
        description="What translates: nllb into any language, opus-mt and whisper into English only; auto: the first "
        "of them that is there. nllb and opus-mt are models of the hub and need torch.",
    )
    second_pass_batch_size: int = Field(
        default=16, ge=1, le=128, description="Texts that nllb or opus-mt translates at a time."
    )
    second_pass_beam_size: int = Field(
        default=5, ge=1, le=20, description="Wordings that nllb or opus-mt follows at a time."
    )
    target_language: str = Field(
        default="en", pattern=r"^[a-z]{2,3}$", description="Language of the audience, as ISO 639-1 (en, hi)."
    )


def run(context: Context[TranslationSettings]) -> TranslationResult:
    """Translates each segment, or says why there is nothing to translate."""
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
    """Raises Skip where there is nothing to translate, StageError where nothing here can translate it."""
    if not settings.second_pass_enabled:
        raise Skip("SECOND_PASS_ENABLED is off.")
    if not text.segments:
        raise Skip("Nothing was said that could be translated.")
    if text.language == settings.target_language:
        raise Skip(f"The text is in the language of the audience already (TARGET_LANGUAGE={settings.target_language}).")
    best = candidates(settings)[0]
    if best != "nllb" and settings.target_language != "en":
        raise _english_only(best, text.language, settings)


def candidates(settings: TranslationSettings) -> tuple[Backend, ...]:
    """What may translate, the best first."""
    chosen = settings.second_pass_backend
    if chosen != "auto":
        return (chosen,)
    return ("nllb", "opus-mt", "whisper") if uses_torch_models() else ("whisper",)


def choose_backend(language: str, settings: TranslationSettings, context: Context[Any]) -> Backend:
    """The first that is there and knows both languages; the job says why it is not the one before.

    Raises StageError where there is none.
    """
    problems: list[StageError] = []
    for backend in candidates(settings):
        try:
            check_backend(backend, language, settings)
        except StageError as error:
            problems.append(error)
            continue
        for problem in problems:
            context.warn(f"{backend} translates. {problem.reason} {problem.way_out}")
        return backend
    raise problems[0]


def check_backend(backend: Backend, language: str, settings: TranslationSettings) -> None:
    """Raises StageError where a backend is not there or does not know the languages."""
    if backend != "nllb" and settings.target_language != "en":
        raise _english_only(backend, language, settings)
    if backend == "whisper":
        return
    hub_folder(backend, settings)
    unknown = [code for code in (language, settings.target_language) if code not in nllb_languages()]
    if backend == "nllb" and unknown:
        raise StageError(
            f"nllb does not know the language {unknown[0]} ({_chosen(settings)}).",
            "Set another TARGET_LANGUAGE, or SECOND_PASS_ENABLED=false for subtitles in the film's own language.",
        )


def hub_folder(backend: Backend, settings: TranslationSettings) -> Path:
    """The folder of a hub model; ModelAbsent where it is not there, StageError where this image cannot use it."""
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
    """NLLB-200's names of the languages that Whisper hears or an audience may want, by their ISO 639-1 codes."""
    languages: dict[str, str] = json.loads(Path(__file__).with_name("nllb_languages.json").read_text())
    return languages


def translated_by_hub(
    context: Context[TranslationSettings], text: AsrResult, backend: Backend
) -> tuple[list[TranslatedSegment], str]:
    """The segments in the other language, from their text, and the name of the model."""
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
    """The segments in English, from their sound, and the name of the model."""
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
    """A segment in English; its own text stays where Whisper finds no words for it."""
    parts, _ = model.transcribe(
        sound.between(segment.start - _PAD, segment.end + _PAD),
        language=language,
        task="translate",
        beam_size=beam_size,
        condition_on_previous_text=False,
    )
    return in_other_words(segment, joined_text(parts))


def in_other_words(segment: SpokenSegment, words: str) -> TranslatedSegment:
    """A segment with its text in other words; its own text stays where there are none."""
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
    """Loads the best model that is there before the first job, where jobs will need it.

    Raises ModelAbsent where there is none.
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
    """Which weights the result depends on."""
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
