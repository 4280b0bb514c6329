"""Translation models of the hub, on torch: text into text, sentence by sentence.

Imported only if MODELS_SOURCE=hub and the image has torch.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from cp_whisperx.ml.models import damaged_model
from cp_whisperx.ml.torch_memory import room_for
from cp_whisperx.stage import Context

_LONGEST: Final = 512
"""Tokens of a text that the models were trained on; nobody says more between two pauses."""


class HubTranslator:
    """One model, which translates between two languages, by the model's own names for them."""

    def __init__(self, folder: Path, source: str, target: str, threads: int) -> None:
        """Opens the model; a model for one language pair takes no names. Raises StageError if it is damaged."""
        torch.set_num_threads(threads)
        self._model = load_model(folder)
        self._tokenizer = _load_tokenizer(folder, source, target)
        self._first = self._tokenizer.convert_tokens_to_ids(target) if target else None

    def translate(self, texts: Sequence[str], beams: int, batch: int, context: Context[Any]) -> list[str]:
        """The texts in the other language, in order; at most `batch` of them are translated at a time."""
        room = room_for(context, batch, self._move)
        result: list[str] = []
        while len(result) < len(texts):

            def work(size: int) -> list[str]:
                return self._generate(texts[len(result) : len(result) + size], beams)

            result.extend(room.compute(work))
            context.progress(len(result) / len(texts), "translating")
        return result

    def _generate(self, texts: Sequence[str], beams: int) -> list[str]:
        words = self._tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=_LONGEST
        ).to(self._model.device)
        options = {} if self._first is None else {"forced_bos_token_id": self._first}
        with torch.inference_mode():
            found = self._model.generate(**words, num_beams=beams, max_length=_LONGEST, **options)
        return [" ".join(text.split()) for text in self._tokenizer.batch_decode(found, skip_special_tokens=True)]

    def _move(self, place: str) -> None:
        # Half the numbers are enough on a card; processors compute with them slowly or not at all.
        self._model.to(device=torch.device(place), dtype=torch.float32 if place == "cpu" else torch.float16)


@cache
def load_model(folder: Path) -> Any:  # noqa: ANN401 - whichever model it is
    """The model in a folder of the cache, loaded once in the life of a worker."""
    try:
        return AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True).eval()
    except Exception as error:  # the library's own errors share no base class
        raise damaged_model(folder, error) from error


@cache
def _load_tokenizer(folder: Path, source: str, target: str) -> Any:  # noqa: ANN401 - whichever it is
    """The model's tokenizer; raises StageError if it does not support a language."""
    languages = {"src_lang": source, "tgt_lang": target} if target else {}
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, **languages)
    except Exception as error:  # as above
        raise damaged_model(folder, error) from error
