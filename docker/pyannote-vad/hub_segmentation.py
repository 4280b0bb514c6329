"""pyannote's segmentation model of the hub, on torch: the same windows as the packaged one, from newer weights.

Imported only if MODELS_SOURCE=hub and the image has torch.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.audio import Model
from pyannote.audio.utils.powerset import Powerset

from cp_whisperx.ml.models import damaged_model
from cp_whisperx.ml.sound import SAMPLE_RATE
from cp_whisperx.ml.torch_memory import Room, room_for
from cp_whisperx.stage import Context

_WEIGHTS: Final = "pytorch_model.bin"
_BATCH: Final = 32


class HubSegmentation:
    """Scores windows as the packaged model does: a frame's score for each of the speakers in the window, 0 to 1."""

    def __init__(self, model: Model) -> None:
        facts = model.specifications
        self._model = model
        # Models since 3.0 score sets of speakers, as logarithms of probabilities.
        self._sets = Powerset(len(facts.classes), facts.powerset_max_classes) if facts.powerset else None
        self._room: Room | None = None
        self.window = round(facts.duration * SAMPLE_RATE)
        """Samples in a window."""
        self.batch = _BATCH
        """Windows in a batch."""

    def begin(self, context: Context[Any]) -> None:
        """Prepares for a job, which gets the warnings."""
        self._room = room_for(context, _BATCH, self._move)

    def run(self, _names: None, inputs: Mapping[str, Any]) -> list[NDArray[np.float32]]:
        """The scores of windows, windows x frames x speakers: called as an ONNX session is."""
        sounds = torch.from_numpy(inputs["sound"])

        def score(batch: int) -> NDArray[np.float32]:
            return np.concatenate([self._scores(part) for part in torch.split(sounds, batch)])

        return [self._room.compute(score) if self._room else score(_BATCH)]

    def _scores(self, sounds: torch.Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            scores = self._model(sounds.to(self._model.device))
            if self._sets is not None:
                scores = self._sets.to_multilabel(scores, soft=True).clamp(0, 1)
            return np.asarray(scores.float().cpu().numpy(), np.float32)

    def _move(self, place: str) -> None:
        self._model.to(torch.device(place))
        if self._sets is not None:
            self._sets.to(torch.device(place))


@cache
def open_hub_segmentation(folder: Path, threads: int) -> HubSegmentation:
    """The model in a folder of the cache, loaded once per worker; raises StageError if it is damaged.

    It stays in host memory until a job moves it: the GPU may be full at the moment.
    """
    path = folder / _WEIGHTS
    torch.set_num_threads(threads)
    try:
        model = Model.from_pretrained(path, strict=False)
    except Exception as error:  # the libraries' own errors share no base class
        raise damaged_model(path, error) from error
    return HubSegmentation(model.eval())
