"""silero-vad: finds speech with the voice activity detector of the Silero team."""

from collections.abc import Callable
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import Field

from cp_whisperx.cli import main
from cp_whisperx.contract import DemuxResult, SileroVadResult, Span
from cp_whisperx.ml.intervals import Interval, above, at_least, joined, widened
from cp_whisperx.ml.models import ModelSettings, model_version
from cp_whisperx.ml.onnx import open_model
from cp_whisperx.ml.sound import SAMPLE_RATE, Sound, open_sound
from cp_whisperx.stage import Context, Stage

MODEL: Final = "silero/silero_vad.onnx"
_FRAME: Final = 512
"""Samples in a frame; at 16 kHz the model supports no other number."""
_OVERLAP: Final = 64
"""Samples of the previous frame that the model needs as context."""
_HYSTERESIS: Final = 0.15
"""Speech ends this far below the onset; the value of the model's authors."""
_REPORT_EVERY: Final = 1000
"""Frames; half a minute of audio."""


class SileroVadSettings(ModelSettings):
    """What counts as speech."""

    silero_vad_threshold: float = Field(
        default=0.5, ge=0.2, le=0.95, description="Score, 0.2 to 0.95, at which speech begins; higher finds less."
    )
    silero_vad_min_speech: float = Field(
        default=0.25, ge=0, le=10, description="Minimum seconds of a stretch of speech."
    )
    silero_vad_merge_gap: float = Field(
        default=0.35, ge=0, le=10, description="Maximum seconds of silence between two stretches of speech to merge."
    )
    silero_vad_padding: float = Field(
        default=0.05, ge=0, le=2, description="Seconds to add before and after each stretch of speech."
    )


def run(context: Context[SileroVadSettings]) -> SileroVadResult:
    """Scores the audio frame by frame and keeps the stretches with speech."""
    sound = open_sound(context.path(context.read(DemuxResult).audio))
    session = open_model(MODEL, context.settings.threads)
    scores = speech_scores(session, sound, lambda done: context.progress(done, "listening for speech"))
    speech = speech_in(scores, sound.duration, context.settings)
    return SileroVadResult(
        segments=tuple(Span(start=round(start, 3), end=round(end, 3)) for start, end in speech),
        speech_seconds=round(sum(end - start for start, end in speech), 3),
    )


def speech_scores(
    session: onnxruntime.InferenceSession, sound: Sound, progress: Callable[[float], None]
) -> NDArray[np.float32]:
    """The speech probability of each 32 ms of audio, 0 to 1. The model carries its state from frame to frame."""
    rate = np.array(SAMPLE_RATE, np.int64)
    memory = np.zeros((2, 1, 128), np.float32)
    before = np.zeros(_OVERLAP, np.float32)
    scores = np.zeros(-(-len(sound.pcm) // _FRAME), np.float32)
    for index, frame in zip(range(len(scores)), sound.windows(_FRAME, _FRAME), strict=True):
        inputs = {"input": np.concatenate([before, frame])[None], "state": memory, "sr": rate}
        score, memory = session.run(None, inputs)
        scores[index] = score[0, 0]
        before = frame[-_OVERLAP:]
        if index % _REPORT_EVERY == 0:
            progress(index / len(scores))
    return scores


def speech_in(scores: NDArray[np.float32], duration: float, settings: SileroVadSettings) -> list[Interval]:
    """The stretches of speech, in seconds, that the scores and the settings give."""
    onset = settings.silero_vad_threshold
    found = above(scores, _FRAME / SAMPLE_RATE, onset, onset - _HYSTERESIS)
    long_enough = at_least(joined(found, settings.silero_vad_merge_gap), settings.silero_vad_min_speech)
    return widened(long_enough, settings.silero_vad_padding, duration)


def load(settings: SileroVadSettings) -> None:
    """Opens the model before the first job."""
    open_model(MODEL, settings.threads)


STAGE: Final = Stage(
    name="silero-vad",
    settings=SileroVadSettings,
    result=SileroVadResult,
    reads=(DemuxResult,),
    run=run,
    depends=lambda _settings: model_version(MODEL),
    load=load,
    never_on_gpu="its model runs on the CPU, 32 ms of audio at a time",
)

if __name__ == "__main__":
    main(STAGE)
