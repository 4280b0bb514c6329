"""The Whisper model of a worker: chosen by settings and hardware, a smaller one when out of memory."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import ctranslate2
from faster_whisper import WhisperModel
from pydantic import Field

from cp_whisperx.backoff import loading_model, means_out_of_memory, with_backoff
from cp_whisperx.devices import Device, DeviceKind, device_in_use, processor
from cp_whisperx.environment import Environment, load_settings
from cp_whisperx.errors import StageError
from cp_whisperx.hardware import hardware_profile
from cp_whisperx.ml.models import ModelSettings, damaged_model
from cp_whisperx.ml.whisper_weights import available_models, model_folder
from cp_whisperx.stage import Context
from cp_whisperx.whisper_choice import DEFAULT_COMPUTE_TYPES, Recommendation, WhisperStep, recommend, steps_down

T = TypeVar("T")

AUTO: Final = "auto"
"""The setting that lets the hardware decide."""
_log: Final = logging.getLogger("cp_whisperx.whisper")


class WhisperSettings(ModelSettings):
    """Settings of the stages that use Whisper."""

    whisper_model: str = Field(
        default=AUTO,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Name of a model in the model cache (large-v3, medium, base); auto: the cached model that suits "
        "the hardware best.",
    )
    whisper_compute_type: Literal["auto", "int8", "int8_float16", "int8_float32", "float16", "float32"] = Field(
        default=AUTO,
        description="Number format of the model's weights (quantization); auto: float16 on a GPU, int8 on the CPU.",
    )
    whisper_beam_size: int = Field(default=5, ge=1, le=20, description="Beam width.")


def steps_for(settings: WhisperSettings, batch_size: int = 0) -> tuple[WhisperStep, ...]:
    """The ways to run Whisper here: first by settings and hardware, then with less and less memory.

    The CPU follows the GPU if ALLOW_CPU is set. `batch_size` 0: chosen by the hardware. Raises StageError if no allowed
    device is usable.
    """
    environment = load_settings(Environment)
    device, available = device_in_use(), available_models()
    profile = hardware_profile(environment.films_out, device)
    best = recommend(profile.seen_from(device), available, device.share_megabytes)
    steps = [*steps_down(_first_step(settings, batch_size, device, best), _compute_types(device), available)]
    if device.kind == "cuda" and environment.allow_cpu:
        instead = processor()
        best = recommend(profile.seen_from(instead), available)
        chosen = settings.model_copy(update={"whisper_model": AUTO, "whisper_compute_type": AUTO})
        first = _first_step(chosen, min(batch_size, 1), instead, best)
        steps.extend(steps_down(first, _compute_types(instead), available))
    return tuple(steps)


def _first_step(settings: WhisperSettings, batch_size: int, device: Device, best: Recommendation) -> WhisperStep:
    can_do = _compute_types(device)
    suitable = next((each for each in DEFAULT_COMPUTE_TYPES[device.kind] if each in can_do), "default")
    compute_type = settings.whisper_compute_type
    # A format set for the GPU may not work on the CPU that replaces it.
    takes_place = bool(device.reason) and compute_type not in can_do
    return WhisperStep(
        device=device.kind,
        index=device.index,
        model=best.model if settings.whisper_model == AUTO else settings.whisper_model,
        compute_type=suitable if compute_type == AUTO or takes_place else compute_type,
        batch_size=batch_size or best.batch_size,
        threads=settings.threads,
    )


def _compute_types(device: Device) -> frozenset[str]:
    return frozenset(ctranslate2.get_supported_compute_types(device.kind, device.index))


def load_model(name: str, compute_type: str, threads: int, device: DeviceKind = "cpu", index: int = 0) -> WhisperModel:
    """Loads a Whisper model from the cache.

    Raises StageError if the model is missing or damaged, or the device or number format cannot be used; the library's
    own error if it runs out of memory.
    """
    folder = model_folder(name)
    try:
        return WhisperModel(
            str(folder),
            device=device,
            device_index=index,
            compute_type=compute_type,
            cpu_threads=threads,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        if means_out_of_memory(error):
            raise
        raise _unusable(folder, compute_type, device, error) from error


def _unusable(folder: Path, compute_type: str, device: DeviceKind, error: Exception) -> StageError:
    """What is wrong: the number format, the libraries of the GPU, or else the model."""
    text = str(error)
    if "compute type" in text:
        return StageError(
            f"WHISPER_COMPUTE_TYPE={compute_type} does not work on this device ({device}): {text}",
            "Set WHISPER_COMPUTE_TYPE to auto.",
        )
    if device == "cuda" and any(name in text.lower() for name in ("cuda", "cublas", "cudnn")):
        return StageError(
            f"Whisper cannot use the GPU: {text}.",
            "Use images of the variant cuda with a driver for CUDA 12, or set device to cpu.",
        )
    return damaged_model(folder, error)


_loaded: dict[tuple[WhisperStep, Path], WhisperModel] = {}
"""The loaded model, by its step without batch size and by its folder: one at a time, kept between jobs.

The folder of a hub model changes with its commit.
"""


def model_for(step: WhisperStep) -> WhisperModel:
    """The model of a step; unloads another model first.

    Raises ModelTooLargeError if it does not fit into memory, and the errors of load_model.
    """
    key = (replace(step, batch_size=0), model_folder(step.model))
    if key not in _loaded:
        _loaded.clear()
        with loading_model():
            _loaded[key] = load_model(step.model, step.compute_type, step.threads, step.device, step.index)
    return _loaded[key]


def load_first(steps: Sequence[WhisperStep]) -> None:
    """Loads the model of the first step before the first job. Out of memory is only logged: each job handles it."""
    _log.info("Whisper: %s", steps[0])
    try:
        model_for(steps[0])
    except Exception as error:
        if not means_out_of_memory(error):
            raise
        _log.warning("not enough memory for %s: %s", steps[0], error)


def within_memory(context: Context[Any], steps: Sequence[WhisperStep], work: Callable[[WhisperStep], T]) -> T:
    """The result of `work` for the first step that fits into memory; the job records the device and a warning.

    Raises OutOfMemoryError if no step fits.
    """

    def report(step: WhisperStep, following: WhisperStep, _error: str) -> None:
        context.warn(f"Not enough memory for {step}: continuing with {following}.")
        if following.device != step.device:
            context.computes_on(processor())

    context.computes_on(device_in_use())
    if context.settings.whisper_compute_type not in (AUTO, steps[0].compute_type):
        context.warn(
            f"WHISPER_COMPUTE_TYPE={context.settings.whisper_compute_type} does not work on this device: continuing "
            f"with {steps[0]}."
        )
    return with_backoff(steps, work, means_out_of_memory, report, _is_same_model)


def _is_same_model(one: WhisperStep, other: WhisperStep) -> bool:
    return replace(one, batch_size=0) == replace(other, batch_size=0)
