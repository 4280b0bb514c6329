"""pyannote's diarization pipeline of the hub, on torch: it listens, compares voices and tells speakers apart by itself.

Imported only where MODELS_SOURCE=hub and the image has torch.
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
"""The steps that take long: which share of the work is done before each, and how large its own is."""


@dataclass(frozen=True)
class Folders:
    """Where the three models of the pipeline lie."""

    pipeline: Path
    segmentation: Path
    embedding: Path


@dataclass(frozen=True)
class Count:
    """How many speakers there are; None where it is to be found."""

    exact: int | None
    fewest: int
    most: int


def tell_apart(
    folders: Folders, sound: Sound, count: Count, threads: int, context: Context[Any]
) -> list[tuple[Interval, str]]:
    """The stretches of each speaker, in order of time; those of two speakers may overlap."""
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
            context.progress(before + share * min(1.0, completed / total), "telling speakers apart")

    return report


@cache
def open_pipeline(folders: Folders, threads: int) -> SpeakerDiarization:
    """The pipeline as its configuration says, loaded once in the life of a worker; StageError where it is damaged.

    pyannote's own loader would look for the two models at the hub, so they are put in by path. It stays in the
    processor's memory until a job has room for it: a card may be full just now.
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
        # Found by trial and then kept: on a full card every trial would fail, and the answer be wrong for good.
        _ = pipeline._embedding.min_num_samples  # noqa: SLF001 - pyannote asks for it there
    except Exception as error:  # the libraries' own errors share no base class
        raise damaged_model(path, error) from error
    return pipeline
