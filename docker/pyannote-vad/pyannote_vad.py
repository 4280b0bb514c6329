"""pyannote-vad: refines the speech segments and finds speaker changes.

The model (pyannote/segmentation, MIT) scores up to three speakers in a window of five seconds. Windows overlap by half.
The highest of the three scores, averaged over the windows, is the speech score; if another speaker has the highest
score in the middle half of a window, the speaker has changed.

With MODELS_SOURCE=hub, and torch in the image, pyannote/segmentation-3.0 replaces the packaged model, with windows of
ten seconds. If the prefetch had to leave it out, the result of silero-vad is used.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cp_whisperx.cli import main
from cp_whisperx.contract import DemuxResult, PyannoteVadResult, ScoredSpan, SileroVadResult
from cp_whisperx.ml.hub import ModelAbsent, hub_version, snapshot, uses_torch_models
from cp_whisperx.ml.idle_gpu import idle_gpu
from cp_whisperx.ml.intervals import Interval, above, at_least, joined
from cp_whisperx.ml.models import ModelSettings, model_version
from cp_whisperx.ml.onnx import open_model
from cp_whisperx.ml.quiet import quietly
from cp_whisperx.ml.sound import SAMPLE_RATE, Samples, Sound, open_sound, window_starts
from cp_whisperx.stage import Context, Stage

_log: Final = logging.getLogger("cp_whisperx.pyannote_vad")

MODEL: Final = "pyannote/segmentation.onnx"
HUB_MODEL: Final = "pyannote/segmentation-3.0"
_WINDOW: Final = 5 * SAMPLE_RATE
"""Samples in a window of the packaged model."""
_BATCH: Final = 8
"""Windows in a batch."""
_FALLBACK_CONFIDENCE: Final = 0.5
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
        default=0.2, ge=0, le=10, description="Maximum seconds of silence between two stretches of speech to merge."
    )


class Session(Protocol):
    """A model that scores windows: an ONNX session, or an object with the same `run`."""

    def run(self, names: None, inputs: Any) -> Any:  # noqa: ANN401 - as ONNX has it
        """The scores, windows x frames x local speakers, of `inputs["sound"]`, windows x 1 x samples."""


@dataclass(frozen=True)
class Windows:
    """The windows of a model: each overlaps the next one by half."""

    length: int = _WINDOW
    """Samples."""
    batch: int = _BATCH

    @property
    def step(self) -> int:
        """Samples from the start of a window to that of the next."""
        return self.length // 2


_PACKAGED: Final = Windows()


@dataclass(frozen=True)
class Listening:
    """The model's output for the whole audio."""

    speech: Scores
    """Score of every frame, 0 to 1."""
    step: float
    """Seconds of one frame."""
    changes: tuple[float, ...]
    """Times of the speaker changes in seconds, in order."""


def run(context: Context[PyannoteVadSettings]) -> PyannoteVadResult:
    """Scores the audio window by window. If the model finds no speech and silero-vad did, uses silero-vad's result."""
    sound = open_sound(context.path(context.read(DemuxResult).audio))
    fallback = tuple(
        ScoredSpan(start=span.start, end=span.end, confidence=_FALLBACK_CONFIDENCE)
        for span in context.read(SileroVadResult).segments
    )
    try:
        session, windows = open_session(context.settings, context)
    except ModelAbsent as absent:
        context.warn(f"The result of silero-vad is used. {absent.reason} {absent.way_out}")
        return _result("silero", fallback, (), sound.duration)
    heard = listen(session, sound, lambda done: context.progress(done, "listening for speech and speakers"), windows)
    spans = speech_in(heard, sound.duration, context.settings)
    source: Literal["pyannote", "silero"] = "pyannote" if spans or not fallback else "silero"
    return _result(source, spans or fallback, heard.changes, sound.duration)


def _result(
    source: Literal["pyannote", "silero"], segments: tuple[ScoredSpan, ...], changes: Sequence[float], duration: float
) -> PyannoteVadResult:
    seconds = sum(span.end - span.start for span in segments)
    return PyannoteVadResult(
        segments=segments,
        speaker_changes=tuple(round(second, 3) for second in changes),
        source=source,
        speech_ratio=round(min(1.0, seconds / duration), 4),
    )


def open_session(settings: PyannoteVadSettings, context: Context[Any] | None = None) -> tuple[Session, Windows]:
    """The model for this image and these settings; `context` is the job, if any.

    Raises ModelAbsent if a hub model is not in the cache, StageError if the model is damaged, or runs on the CPU only
    and ALLOW_CPU=false.
    """
    if not uses_torch_models():
        if idle := idle_gpu():
            (context.warn if context else _log.warning)(idle)
        return open_model(MODEL, settings.threads), _PACKAGED
    folder = snapshot(HUB_MODEL)
    with quietly():
        from hub_segmentation import open_hub_segmentation  # noqa: PLC0415 - needs torch, which few images have

        session = open_hub_segmentation(folder, settings.threads)
    if context:
        session.begin(context)
    return session, Windows(session.window, session.batch)


def listen(
    session: Session, sound: Sound, progress: Callable[[float], None], windows: Windows = _PACKAGED
) -> Listening:
    """Scores all windows and combines them."""
    starts = [first / SAMPLE_RATE for first in window_starts(len(sound.pcm), windows.length, windows.step)]
    seconds = windows.length / SAMPLE_RATE
    speech: list[Scores] = []
    changes: list[float] = []
    for index, (start, scores) in enumerate(zip(starts, _scored_windows(session, sound, windows), strict=True)):
        step = seconds / len(scores)
        speech.append(scores.max(axis=1))
        changes.extend(start + frame * step for frame in speaker_changes(scores))
        progress(index / len(starts))
    return Listening(put_together(speech, starts, seconds), seconds / len(speech[0]), tuple(changes))


def put_together(windows: Sequence[Scores], starts: Sequence[float], seconds: float) -> Scores:
    """The scores of the whole audio: the weighted mean of the windows over each frame; their middles count most.

    `starts` has the start of each window in seconds; each lasts `seconds`.
    """
    frames = len(windows[0])
    per_second = frames / seconds
    bell = np.hamming(frames).astype(np.float32)
    summed, weight = np.zeros((2, round(starts[-1] * per_second) + frames), np.float32)
    for start, scores in zip(starts, windows, strict=True):
        first = round(start * per_second)
        summed[first : first + frames] += scores * bell
        weight[first : first + frames] += bell
    return np.asarray(summed / np.maximum(weight, 1e-6), np.float32)


def _scored_windows(session: Session, sound: Sound, windows: Windows) -> Iterator[Scores]:
    """The scores of each window: frames x local speakers."""
    batch: list[Samples] = []
    for window in sound.windows(windows.length, windows.step):
        batch.append(window)
        if len(batch) == windows.batch:
            yield from session.run(None, {"sound": np.stack(batch)[:, None]})[0]
            batch = []
    if batch:
        yield from session.run(None, {"sound": np.stack(batch)[:, None]})[0]


def speaker_changes(scores: Scores, active: float = 0.5) -> list[int]:
    """Frames in the middle half of a window at which the highest score passes from one active speaker to another."""
    speaker, heard = scores.argmax(axis=1), scores.max(axis=1) > active
    quarter = len(scores) // 4
    changed = (speaker[1:] != speaker[:-1]) & heard[1:] & heard[:-1]
    return [int(frame) + 1 for frame in np.flatnonzero(changed) if quarter <= frame + 1 < len(scores) - quarter]


def speech_in(heard: Listening, duration: float, settings: PyannoteVadSettings) -> tuple[ScoredSpan, ...]:
    """The stretches of speech by these scores and settings, each with its mean score."""
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
    """Opens the model before the first job; a missing hub model is only logged, and each job warns of it."""
    try:
        open_session(settings)
    except ModelAbsent as absent:
        _log.warning("the result of silero-vad will be used: %s %s", absent.reason, absent.way_out)


def version(_settings: PyannoteVadSettings) -> str:
    """The version of the weights, for the key of the result."""
    return hub_version(HUB_MODEL) if uses_torch_models() else model_version(MODEL)


STAGE: Final = Stage(
    name="pyannote-vad",
    settings=PyannoteVadSettings,
    result=PyannoteVadResult,
    reads=(DemuxResult, SileroVadResult),
    run=run,
    depends=version,
    load=load,
)

if __name__ == "__main__":
    main(STAGE)
