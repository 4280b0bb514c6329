"""pyannote-vad: refines where somebody speaks, and finds where one speaker takes over from another.

The model (pyannote/segmentation, MIT) scores up to three speakers of a window of five seconds. Windows overlap by half:
the highest of the three scores, averaged over the windows, tells speech; where the highest one changes in the middle
half of a window, another speaker has taken over.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import Field

from cp_whisperx.cli import main
from cp_whisperx.contract import DemuxResult, PyannoteVadResult, ScoredSpan, SileroVadResult
from cp_whisperx.ml.intervals import Interval, above, at_least, joined
from cp_whisperx.ml.models import ModelSettings, model_version
from cp_whisperx.ml.onnx import open_model
from cp_whisperx.ml.sound import SAMPLE_RATE, Samples, Sound, open_sound, window_starts
from cp_whisperx.stage import Context, Stage

MODEL: Final = "pyannote/segmentation.onnx"
_WINDOW: Final = 5 * SAMPLE_RATE
_STEP: Final = _WINDOW // 2
_BATCH: Final = 8
"""Windows that are scored at a time."""
_SHORTEST: Final = 0.1
"""Seconds; anything shorter is a click, not speech."""

Scores = NDArray[np.float32]


class PyannoteVadSettings(ModelSettings):
    """What counts as speech."""

    pyannote_vad_onset: float = Field(
        default=0.5, ge=0.05, le=0.95, description="Score, 0.05 to 0.95, at which speech begins; higher finds less."
    )
    pyannote_vad_offset: float = Field(
        default=0.363, ge=0.05, le=0.95, description="Score, 0.05 to 0.95, below which speech ends; at most the onset."
    )
    pyannote_vad_merge_gap: float = Field(
        default=0.2, ge=0, le=10, description="Seconds of silence between two stretches of speech that are made one."
    )


@dataclass(frozen=True)
class Listening:
    """What the model made of the whole sound."""

    speech: Scores
    """Score of every frame, 0 to 1."""
    step: float
    """Seconds of one frame."""
    changes: tuple[float, ...]
    """Seconds at which another speaker takes over, in order."""


def run(context: Context[PyannoteVadSettings]) -> PyannoteVadResult:
    """Scores the sound window by window. Where the model hears nobody and silero did, silero's word stands."""
    sound = open_sound(context.path(context.read(DemuxResult).audio))
    session = open_model(MODEL, context.settings.threads)
    heard = listen(session, sound, lambda done: context.progress(done, "listening for speech and speakers"))
    spans = speech_in(heard, sound.duration, context.settings)
    fallback = context.read(SileroVadResult).segments
    segments = spans or tuple(ScoredSpan(start=span.start, end=span.end, confidence=0.5) for span in fallback)
    seconds = sum(span.end - span.start for span in segments)
    return PyannoteVadResult(
        segments=segments,
        speaker_changes=tuple(round(second, 3) for second in heard.changes),
        source="pyannote" if spans or not fallback else "silero",
        speech_ratio=round(min(1.0, seconds / sound.duration), 4),
    )


def listen(session: onnxruntime.InferenceSession, sound: Sound, progress: Callable[[float], None]) -> Listening:
    """Scores all windows and puts them together."""
    starts = [first / SAMPLE_RATE for first in window_starts(len(sound.pcm), _WINDOW, _STEP)]
    speech: list[Scores] = []
    changes: list[float] = []
    for index, (start, scores) in enumerate(zip(starts, _scored_windows(session, sound), strict=True)):
        step = _WINDOW / SAMPLE_RATE / len(scores)
        speech.append(scores.max(axis=1))
        changes.extend(start + frame * step for frame in speaker_changes(scores))
        progress(index / len(starts))
    return Listening(put_together(speech, starts), _WINDOW / SAMPLE_RATE / len(speech[0]), tuple(changes))


def put_together(windows: Sequence[Scores], starts: Sequence[float]) -> Scores:
    """The scores of the whole sound: the mean of the windows over each frame, their middles counting most.

    `starts` has the second at which each window begins.
    """
    frames = len(windows[0])
    per_second = frames * SAMPLE_RATE / _WINDOW
    bell = np.hamming(frames).astype(np.float32)
    summed, weight = np.zeros((2, round(starts[-1] * per_second) + frames), np.float32)
    for start, scores in zip(starts, windows, strict=True):
        first = round(start * per_second)
        summed[first : first + frames] += scores * bell
        weight[first : first + frames] += bell
    return np.asarray(summed / np.maximum(weight, 1e-6), np.float32)


def _scored_windows(session: onnxruntime.InferenceSession, sound: Sound) -> Iterator[Scores]:
    """The scores of each window: frames x local speakers."""
    batch: list[Samples] = []
    for window in sound.windows(_WINDOW, _STEP):
        batch.append(window)
        if len(batch) == _BATCH:
            yield from session.run(None, {"sound": np.stack(batch)[:, None]})[0]
            batch = []
    if batch:
        yield from session.run(None, {"sound": np.stack(batch)[:, None]})[0]


def speaker_changes(scores: Scores, active: float = 0.5) -> list[int]:
    """Frames in the middle half of a window at which another speaker has the highest score, both being heard."""
    speaker, heard = scores.argmax(axis=1), scores.max(axis=1) > active
    quarter = len(scores) // 4
    changed = (speaker[1:] != speaker[:-1]) & heard[1:] & heard[:-1]
    return [int(frame) + 1 for frame in np.flatnonzero(changed) if quarter <= frame + 1 < len(scores) - quarter]


def speech_in(heard: Listening, duration: float, settings: PyannoteVadSettings) -> tuple[ScoredSpan, ...]:
    """The stretches of speech that the scores and the settings give, each with its mean score."""
    offset = min(settings.pyannote_vad_offset, settings.pyannote_vad_onset)
    found = above(heard.speech, heard.step, settings.pyannote_vad_onset, offset)
    within = [(start, min(end, duration)) for start, end in found if start < duration]
    spans = at_least(joined(within, settings.pyannote_vad_merge_gap), _SHORTEST)
    return tuple(_scored(span, heard) for span in spans)


def _scored(span: Interval, heard: Listening) -> ScoredSpan:
    first, last = (round(second / heard.step) for second in span)
    confidence = float(heard.speech[first : max(last, first + 1)].mean())
    return ScoredSpan(start=round(span[0], 3), end=round(span[1], 3), confidence=round(min(1.0, confidence), 3))


def load(settings: PyannoteVadSettings) -> None:
    """Opens the model before the first job."""
    open_model(MODEL, settings.threads)


STAGE: Final = Stage(
    name="pyannote-vad",
    settings=PyannoteVadSettings,
    result=PyannoteVadResult,
    reads=(DemuxResult, SileroVadResult),
    run=run,
    depends=lambda _settings: model_version(MODEL),
    load=load,
)

if __name__ == "__main__":
    main(STAGE)
