"""pyannote's diarization pipeline from the hub, on torch: it segments speech and clusters the voices itself.

Imported only if MODELS_SOURCE=hub and the image has torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from pyannote.audio.pipelines import SpeakerDiarization

from cp_whisperx.ml.intervals import Interval
from cp_whisperx.ml.models import damaged_model
from cp_whisperx.ml.sound import SAMPLE_RATE, Sound
from cp_whisperx.ml.torch_memory import room_for
from cp_whisperx.stage import Context

_CONFIGURATION: Final = "config.yaml"
_WEIGHTS: Final = "pytorch_model.bin"
_BATCH: Final = 32
_SHARES: Final = {"segmentation": (0.0, 0.3), "embeddings": (0.3, 0.7)}
"""The long steps, each with the progress at its start and its share of the whole."""


@dataclass(frozen=True)
class Folders:
    """The folders of the pipeline's three models."""

    pipeline: Path
    segmentation: Path
    embedding: Path


@dataclass(frozen=True)
class Count:
    """The number of speakers; `exact` is None if it is to be detected."""

    exact: int | None
    fewest: int
    most: int


def tell_apart(
    folders: Folders, sound: Sound, count: Count, threads: int, context: Context[Any]
) -> list[tuple[Interval, str]]:
    """The segments of each speaker, in order of time; those of two speakers may overlap."""
    pipeline = open_pipeline(folders, threads)
    room = room_for(context, _BATCH, lambda place: pipeline.to(torch.device(place)))
    waveform = torch.from_numpy(sound.between(0, sound.duration))[None]

    def listen(batch: int) -> Any:  # noqa: ANN401 - pyannote has no types
        pipeline.segmentation_batch_size = pipeline.embedding_batch_size = batch
        return pipeline(
            {"waveform": waveform, "sample_rate": SAMPLE_RATE},
            num_speakers=count.exact,
            min_speakers=None if count.exact else count.fewest,
            max_speakers=None if count.exact else count.most,
            hook=_reporter(context),
        )

    found = room.compute(listen)
    return [((turn.start, turn.end), label) for turn, _, label in found.itertracks(yield_label=True)]


def _reporter(context: Context[Any]) -> Callable[..., None]:
    def report(step: str, _artifact: object, *, completed: int = 0, total: int = 0, **_more: object) -> None:
        if step in _SHARES and total:
            before, share = _SHARES[step]
            context.progress(before + share * min(1.0, completed / total), "finding speakers")

    return report


@cache
def open_pipeline(folders: Folders, threads: int) -> SpeakerDiarization:
    """The pipeline by its configuration, loaded once per worker; raises StageError if it is damaged.

    pyannote's own loader would download the two models from the hub, so they are given by path. The pipeline stays in
    host memory until a job moves it: the GPU may be full at the moment.
    """
    torch.set_num_threads(threads)
    path = folders.pipeline / _CONFIGURATION
    try:
        configuration = yaml.safe_load(path.read_text())
        parameters = {
            **configuration["pipeline"]["params"],
            "segmentation": str(folders.segmentation / _WEIGHTS),
            "embedding": str(folders.embedding / _WEIGHTS),
        }
        pipeline = SpeakerDiarization(**parameters)
        pipeline.instantiate(configuration["params"])
        # pyannote finds this number by trial and caches it: on a full GPU all trials fail and the number stays wrong.
        _ = pipeline._embedding.min_num_samples  # noqa: SLF001 - pyannote asks for it there
    except Exception as error:  # the libraries' own errors share no base class
        raise damaged_model(path, error) from error
    return pipeline
