"""Aligns words with the audio: a hub model on torch gives the probability of each letter over time (whisperx).

whisperx.alignment.align needs an nltk data set to split sentences, and returns other segments than it was given. So
this module uses its parts directly, one segment at a time, and no text can be lost.

Imported only if MODELS_SOURCE=hub and the image has torch.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from whisperx.alignment import backtrack, get_trellis, load_align_model, merge_repeats

from cp_whisperx.devices import device_in_use, processor
from cp_whisperx.environment import Environment, load_settings
from cp_whisperx.ml.intervals import Interval
from cp_whisperx.ml.models import damaged_model
from cp_whisperx.ml.sound import SAMPLE_RATE, Samples
from cp_whisperx.ml.torch_memory import Room, steps_down
from cp_whisperx.ml.whisper import HeardWord
from cp_whisperx.stage import Context
from cp_whisperx.whisper_choice import WhisperStep

_PAUSE: Final = "|"
"""The separator of words in the models' vocabularies."""
_ANYTHING: Final = -1
"""Wildcard for a letter or digit that is not in the model's vocabulary; whisperx takes the likeliest letter."""
_NOBODY: Final = -1
"""Word index of a pause."""
_SHORTEST: Final = 400
"""Minimum samples of input: the model's first frame."""


class HubAligner:
    """One model, for one language."""

    def __init__(self, model: Any, codes: dict[str, int]) -> None:  # noqa: ANN401 - whichever model it is
        self._model = model
        self._codes = codes
        """The number of each letter, in lower case."""
        self._seconds = model.config.inputs_to_logits_ratio / SAMPLE_RATE
        """From one frame to the next."""

    def room(self, context: Context[Any], step: WhisperStep) -> Room:
        """A Room for a job on the device that Whisper ended with: if the GPU was full for Whisper, it still is.

        The job's record keeps the device that Whisper used.
        """
        device = device_in_use() if step.device == "cuda" else processor()
        steps = steps_down(device, 1, allow_cpu=load_settings(Environment).allow_cpu)
        job = replace(
            context, warn=lambda text: context.warn(f"Aligning words: {text}"), computes_on=lambda _device: None
        )
        return Room(list(steps), self._move, job)

    def spans(self, words: Sequence[HeardWord], samples: Samples, room: Room) -> list[Interval | None]:
        """Start and end of each word in seconds from the start of the samples; None for a word that is not found."""
        codes, owners = self._sought(words)
        known = {owner for code, owner in zip(codes, owners, strict=True) if code != _ANYTHING} - {_NOBODY}
        if not known:
            return [None] * len(words)
        scores = room.compute(lambda _batch: self._scores(samples))
        if len(scores) <= len(codes):
            return [None] * len(words)
        blank = self._model.config.pad_token_id
        path = backtrack(get_trellis(scores, torch.tensor(codes), blank), scores, codes, blank)
        found: dict[int, Interval] = {}
        for letter in merge_repeats(path, owners):
            # The path has the frame after the one of the letter.
            start, end = (max(0, frame - 1) * self._seconds for frame in (letter.start, letter.end))
            found[letter.label] = (found.get(letter.label, (start, end))[0], end)
        return [found[index] if index in known else None for index in range(len(words))]

    def _sought(self, words: Sequence[HeardWord]) -> tuple[list[int], list[int]]:
        """The tokens to align, in order, and the index of each token's word.

        They begin with a pause, because whisperx always matches the first token at once, and end with one, as in the
        models' training data. Punctuation is left out.
        """
        pause = self._codes.get(_PAUSE, _ANYTHING)
        codes, owners = [pause], [_NOBODY]
        for index, word in enumerate(words):
            if index and word.text[:1].isspace():
                codes.append(pause)
                owners.append(_NOBODY)
            for letter in word.text.lower():
                if letter in self._codes or letter.isalnum():
                    codes.append(self._codes.get(letter, _ANYTHING))
                    owners.append(index)
        return [*codes, pause], [*owners, _NOBODY]

    def _scores(self, samples: Samples) -> torch.Tensor:
        """The log probability of each letter, frames x letters."""
        filled = np.pad(samples, (0, max(0, _SHORTEST - len(samples))))
        with torch.inference_mode():
            scores = self._model(torch.from_numpy(filled)[None].to(self._model.device)).logits[0]
            return torch.log_softmax(scores.float(), dim=-1).cpu()

    def _move(self, place: str) -> None:
        self._model.to(torch.device(place))


@cache
def open_hub_aligner(folder: Path, threads: int) -> HubAligner:
    """The model in a folder of the cache, loaded once per worker; raises StageError if it is damaged."""
    torch.set_num_threads(threads)
    try:
        # The language does not matter for a model that is given by its folder.
        model, facts = load_align_model("", "cpu", model_name=str(folder))
    except Exception as error:  # the libraries' own errors share no base class
        # whisperx raises an error about a model name; the real error is the one before it.
        raise damaged_model(folder, error.__context__ if isinstance(error.__context__, Exception) else error) from error
    return HubAligner(model.eval(), facts["dictionary"])
