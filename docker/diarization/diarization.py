"""diarization: finds who speaks when.

Speech between two speaker changes is a turn. Its voice is embedded in 256 numbers (Resemblyzer's encoder, windows of
1.6 s), and similar voices are clustered into one speaker. Then each window is compared with all speakers again, so that
a missed speaker change still splits its turn.

With MODELS_SOURCE=hub, and torch in the image, pyannote/speaker-diarization-3.1 does all of this. If the prefetch had
to leave it out, the packaged models are used and the job gets a warning.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise
from typing import Final, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.cluster.hierarchy import fcluster, linkage

from cp_whisperx.cli import main
from cp_whisperx.contract import DemuxResult, DiarizationResult, PyannoteVadResult, SpeakerSpan
from cp_whisperx.ml.hub import ModelAbsent, hub_version, snapshot, uses_torch_models
from cp_whisperx.ml.idle_gpu import idle_gpu
from cp_whisperx.ml.intervals import Interval
from cp_whisperx.ml.models import ModelSettings, model_path, model_version
from cp_whisperx.ml.onnx import open_model
from cp_whisperx.ml.quiet import quietly
from cp_whisperx.ml.sound import SAMPLE_RATE, Samples, Sound, filled_up, open_sound, window_starts
from cp_whisperx.stage import Context, Stage, StageError

_log: Final = logging.getLogger("cp_whisperx.diarization")

MODEL: Final = "resemblyzer/speaker_encoder.onnx"
PIPELINE: Final = "pyannote/speaker-diarization-3.1"
HUB_MODELS: Final = (PIPELINE, "pyannote/segmentation-3.0", "pyannote/wespeaker-voxceleb-resnet34-LM")
"""The pipeline and its two models."""
_WINDOW: Final = 25_840
"""Samples that the encoder was trained on: 160 frames of 25 ms, one every 10 ms."""
_STEP: Final = 6_400
"""Samples, 0.4 s, from one window to the next."""
_BATCH: Final = 32
_LOUDNESS: Final = 10 ** (-30 / 20)
"""The root mean square, -30 dB, to which quiet audio is amplified, as in the encoder's training."""
_SHORTEST_TURN: Final = 0.4
"""Seconds; a change this close to the end of a turn does not split it."""
_CLEAR_TURN: Final = 1.0
"""Seconds; shorter turns start no new speaker, they join the most similar one."""
_PIECE: Final = 5
"""Windows, 3.2 s, to compare as one voice: in tests one voice was at most 0.19 apart, different ones at least 0.31."""
_SHORTEST_RUN: Final = 3
"""Consecutive windows of another speaker that split a turn."""
_SEARCH: Final = 0.8
"""Seconds around the split in which to find the quietest moment."""
_HUSH: Final = 0.05
"""Seconds over which loudness is measured."""

Voices = NDArray[np.float32]
"""One voice per row, of length 1."""


class DiarizationSettings(ModelSettings):
    """How many speakers there are, and how alike their voices."""

    diarization_speakers: int = Field(
        default=0, ge=0, le=50, description="Number of speakers if it is known; 0: detected."
    )
    diarization_min_speakers: int = Field(default=1, ge=1, le=50, description="Minimum number of speakers.")
    diarization_max_speakers: int = Field(default=20, ge=1, le=50, description="Maximum number of speakers.")
    diarization_threshold: float = Field(
        default=0.25,
        ge=0.02,
        le=1,
        description="Cosine distance, 0.02 to 1, above which two voices are two speakers; lower finds more speakers. "
        "For the packaged models only.",
    )
    diarization_speaker_names: str = Field(
        default="", max_length=1000, description="Names of the speakers in order of appearance, separated by commas."
    )

    @model_validator(mode="after")
    def _fewest_is_not_above_most(self) -> Self:
        if self.diarization_min_speakers > self.diarization_max_speakers:
            raise ValueError(
                f"DIARIZATION_MIN_SPEAKERS={self.diarization_min_speakers} is more than "
                f"DIARIZATION_MAX_SPEAKERS={self.diarization_max_speakers}"
            )
        return self


def run(context: Context[DiarizationSettings]) -> DiarizationResult:
    """Finds who speaks when, and names the speakers in order of appearance."""
    settings = context.settings
    sound = open_sound(context.path(context.read(DemuxResult).audio))
    speech = context.read(PyannoteVadResult)
    segments, models = told_apart(context, sound, speech) if speech.segments else ([], "none")
    names = _names(settings.diarization_speaker_names)
    return DiarizationResult(
        segments=tuple(_named(span, label, names) for span, label in segments),
        speakers=tuple(_name(label, names) for label in dict.fromkeys(label for _, label in segments)),
        settings={**settings.model_dump(exclude={"threads"}), "models": models},
    )


def told_apart(
    context: Context[DiarizationSettings], sound: Sound, speech: PyannoteVadResult
) -> tuple[list[tuple[Interval, int]], str]:
    """Segments with their speaker's number, and the models that found them: the hub's, else the packaged ones."""
    if uses_torch_models():
        try:
            return _told_apart_by_hub(context, sound), PIPELINE
        except ModelAbsent as absent:
            context.warn(f"The packaged models are used for diarization. {stand_in(absent)}")
    elif idle := idle_gpu():
        context.warn(idle)
    return _told_apart_by_packaged(context, sound, speech), "packaged"


def stand_in(absent: ModelAbsent) -> str:
    """Why the packaged models replace the hub's; raises StageError if they are missing too, or not allowed."""
    try:
        model_path(MODEL)
    except StageError as error:
        raise StageError(f"{absent.reason} The packaged model fails too: {error.reason}", absent.way_out) from error
    return idle_gpu(absent) or f"{absent.reason} {absent.way_out}"


def _told_apart_by_hub(context: Context[DiarizationSettings], sound: Sound) -> list[tuple[Interval, int]]:
    folders = [snapshot(name) for name in HUB_MODELS]
    with quietly():
        from hub_diarization import Count, Folders, tell_apart  # noqa: PLC0415 - needs torch, which few images have

    settings = context.settings
    count = Count(
        settings.diarization_speakers or None, settings.diarization_min_speakers, settings.diarization_max_speakers
    )
    found = tell_apart(Folders(*folders), sound, count, settings.threads, context)
    numbers = {label: number for number, label in enumerate(dict.fromkeys(label for _, label in found))}
    return [((start, min(end, sound.duration)), numbers[label]) for (start, end), label in found]


def _told_apart_by_packaged(
    context: Context[DiarizationSettings], sound: Sound, speech: PyannoteVadResult
) -> list[tuple[Interval, int]]:
    """Splits speech into turns and clusters their voices."""
    turns = turns_in([(span.start, span.end) for span in speech.segments], speech.speaker_changes)
    session = open_model(MODEL, context.settings.threads)
    windows = encode(session, sound, turns, lambda done: context.progress(done, "comparing voices"))
    return attribute(sound, turns, windows, find_speakers(turns, windows, context.settings))


def turns_in(speech: Iterable[Interval], changes: Iterable[float]) -> list[Interval]:
    """Speech, split at the speaker changes."""
    turns: list[Interval] = []
    cuts = sorted(changes)
    for start, end in speech:
        begin = start
        for cut in cuts:
            if begin + _SHORTEST_TURN < cut < end - _SHORTEST_TURN:
                turns.append((begin, cut))
                begin = cut
        turns.append((begin, end))
    return turns


def encode(
    session: onnxruntime.InferenceSession,
    sound: Sound,
    turns: Sequence[Interval],
    progress: Callable[[float], None],
) -> list[Voices]:
    """The voice embeddings of each turn: one row for every 0.4 s."""
    result: list[Voices] = []
    for index, turn in enumerate(turns):
        samples = loud_enough(sound.between(*turn))
        starts = window_starts(len(samples), _WINDOW, _STEP)
        cut = np.stack([filled_up(samples[start : start + _WINDOW], _WINDOW) for start in starts])
        batches = [cut[first : first + _BATCH] for first in range(0, len(cut), _BATCH)]
        result.append(np.concatenate([session.run(None, {"sound": batch})[0] for batch in batches]))
        progress((index + 1) / len(turns))
    return result


def loud_enough(samples: Samples) -> Samples:
    """The samples, amplified to the loudness that the encoder was trained on if they are quieter."""
    power = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    return samples * np.float32(_LOUDNESS / power) if 0 < power < _LOUDNESS else samples


def find_speakers(turns: Sequence[Interval], windows: Sequence[Voices], settings: DiarizationSettings) -> Voices:
    """The mean voice embedding of each speaker.

    Long turns are split into pieces, so that a turn with two speakers does not mix them.
    """
    clear = [own for (start, end), own in zip(turns, windows, strict=True) if end - start >= _CLEAR_TURN]
    pieces = [piece for own in clear or windows for piece in np.array_split(own, max(1, round(len(own) / _PIECE)))]
    voices = np.stack([normalised(piece.mean(axis=0)) for piece in pieces])
    labels = cluster(voices, settings)
    return np.stack([normalised(voices[labels == label].mean(axis=0)) for label in np.unique(labels)])


def cluster(voices: Voices, settings: DiarizationSettings) -> NDArray[np.int64]:
    """The speaker number, from 0, of each voice: average linkage by cosine distance."""
    if len(voices) == 1:
        return np.zeros(1, np.int64)
    tree = linkage(voices.astype(np.float64), method="average", metric="cosine")
    found = int(fcluster(tree, settings.diarization_threshold, criterion="distance").max())
    wanted = settings.diarization_speakers or min(
        max(found, settings.diarization_min_speakers), settings.diarization_max_speakers
    )
    return np.asarray(fcluster(tree, wanted, criterion="maxclust"), np.int64) - 1


def normalised(voice: Voices) -> Voices:
    """A voice embedding, scaled to length 1."""
    return np.asarray(voice / max(float(np.linalg.norm(voice)), 1e-9), np.float32)


def by_appearance(labels: Iterable[int]) -> list[int]:
    """The labels, renumbered by first appearance."""
    order: dict[int, int] = {}
    return [order.setdefault(label, len(order)) for label in labels]


def attribute(
    sound: Sound, turns: Sequence[Interval], windows: Sequence[Voices], speakers: Voices
) -> list[tuple[Interval, int]]:
    """Segments with their speaker's number; turns with several speakers are split."""
    spans: list[tuple[Interval, int]] = []
    for turn, own in zip(turns, windows, strict=True):
        likeness = own @ speakers.T
        spans.extend(cut_turn(sound, turn, likeness.argmax(axis=1).tolist(), int(likeness.mean(axis=0).argmax())))
    return list(zip((span for span, _ in spans), by_appearance(label for _, label in spans), strict=True))


def cut_turn(sound: Sound, turn: Interval, speakers: Sequence[int], label: int) -> list[tuple[Interval, int]]:
    """A turn, split where enough consecutive windows belong to another speaker.

    `speakers` has the nearest speaker of each window, `label` the speaker of the whole turn.
    """
    runs: list[tuple[int, int]] = []
    position = 0
    for speaker, group in groupby(speakers):
        length = len(list(group))
        if length >= _SHORTEST_RUN and (not runs or runs[-1][1] != speaker):
            runs.append((position, speaker))
        position += length
    if len(runs) < 2:  # noqa: PLR2004 - one run: nothing to cut
        return [(turn, label)]
    middle = _WINDOW / 2 / SAMPLE_RATE
    wanted = [turn[0] + (first - 0.5) * _STEP / SAMPLE_RATE + middle for first, _ in runs[1:]]
    cuts = [turn[0], *(quietest(sound, cut) for cut in wanted), turn[1]]
    return [
        ((start, max(start, end)), speaker) for (start, end), (_, speaker) in zip(pairwise(cuts), runs, strict=True)
    ]


def quietest(sound: Sound, second: float) -> float:
    """The quietest moment near `second`."""
    begin = max(0.0, second - _SEARCH)
    samples = sound.between(begin, second + _SEARCH)
    length = int(_HUSH * SAMPLE_RATE)
    pieces = samples[: len(samples) // length * length].reshape(-1, length)
    return begin + (float(np.square(pieces).sum(axis=1).argmin()) + 0.5) * _HUSH if len(pieces) else second


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _name(label: int, names: Sequence[str]) -> str:
    return names[label] if label < len(names) else f"SPEAKER_{label:02d}"


def _named(span: Interval, label: int, names: Sequence[str]) -> SpeakerSpan:
    return SpeakerSpan(start=round(span[0], 3), end=round(span[1], 3), speaker=_name(label, names))


def load(settings: DiarizationSettings) -> None:
    """Opens the models before the first job."""
    if uses_torch_models():
        try:
            folders = [snapshot(name) for name in HUB_MODELS]
        except ModelAbsent as absent:
            _log.warning("the packaged models will be used for diarization: %s", stand_in(absent))
        else:
            with quietly():
                from hub_diarization import Folders, open_pipeline  # noqa: PLC0415 - as above

                open_pipeline(Folders(*folders), settings.threads)
            return
    elif idle := idle_gpu():
        _log.warning(idle)
    open_model(MODEL, settings.threads)


def version(_settings: DiarizationSettings) -> str:
    """The versions of the weights, for the key of the result; the packaged models count too if they are a fallback."""
    packaged = model_version(MODEL)
    return f"{hub_version(*HUB_MODELS)} {packaged}" if uses_torch_models() else packaged


STAGE: Final = Stage(
    name="diarization",
    settings=DiarizationSettings,
    result=DiarizationResult,
    reads=(DemuxResult, PyannoteVadResult),
    run=run,
    depends=version,
    load=load,
)

if __name__ == "__main__":
    main(STAGE)
