"""Out of memory: the same work once more with less, step by step, until it fits or nothing is left to try.

Also tells the errors of a full card from those of a broken one.
"""

import contextlib
import gc
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from cp_whisperx.errors import StageError

S = TypeVar("S")
R = TypeVar("R")

_MESSAGES: Final = (
    "out of memory",  # torch and ctranslate2: "CUDA out of memory", "CUDA failed with error out of memory"
    "cublas_status_alloc_failed",
    "cublas_status_not_initialized",  # what is left does not suffice for cuBLAS itself
    "cufft_alloc_failed",
    "cudnn_status_alloc_failed",
    "allocation_failed",  # cuDNN 9: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
    "cudaerrormemoryallocation",
    "failed to allocate memory",  # onnxruntime
    "can't allocate memory",  # torch on the processor
    "std::bad_alloc",
)
_BROKEN: Final = re.compile(
    r"\bcuda (driver )?(error|failed)|\bcu(blas|dnn|fft|sparse|solver)(_| error| failed)", re.IGNORECASE
)
_log: Final = logging.getLogger("cp_whisperx.backoff")


class OutOfMemoryError(StageError):
    """The memory does not suffice, not even for the last step."""


class ModelTooLargeError(RuntimeError):
    """The memory does not even suffice for the model; raised from the library's own error."""


def with_backoff(
    steps: Sequence[S],
    run: Callable[[S], R],
    is_out_of_memory: Callable[[BaseException], bool],
    report: Callable[[S, S, str], None],
    same_model: Callable[[S, S], bool] = lambda _one, _other: False,
) -> R:
    """What `run` makes of the first step for which the memory suffices.

    Each step is tried once; after a ModelTooLargeError those are left out that are of the same model, since to load it
    again takes long and cannot end otherwise. Between two, `report` gets the one that failed, the one that follows and
    the error's text; whatever the failed try held in its frames is free by then. Raises OutOfMemoryError when the last
    one fails, and at once every error that is not about memory.
    """
    if not steps:
        message = "there is no step to try"
        raise ValueError(message)
    left = list(steps)
    while left:
        step = left.pop(0)
        try:
            return run(step)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            text = str(error).strip() or type(error).__name__
            _log.info("out of memory with %s: %s", step, text)
            if isinstance(error, ModelTooLargeError):
                left = [each for each in left if not same_model(step, each)]
        # Outside of the handler: the error, and with it the frames that hold models and sounds, is gone.
        gc.collect()
        if left:
            report(step, left[0], text)
    raise OutOfMemoryError(
        f"The memory does not suffice, not even for {step}: {text}.",
        "Give this service more memory (memoryMegabytes), or a GPU with more of it free (gpu.devices), then resume.",
    )


@contextlib.contextmanager
def loading_model() -> Iterator[None]:
    """Raises ModelTooLargeError where the memory does not suffice for the block, which loads or moves a model."""
    try:
        yield
    except Exception as error:
        if not means_out_of_memory(error):
            raise
        raise ModelTooLargeError(str(error).strip() or type(error).__name__) from error


def means_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that memory was wanting: on a card or in the container.

    Knows the errors of torch, ctranslate2, cuBLAS, cuDNN, onnxruntime and Python, without importing any of them.
    """
    return any(_is_about_memory(each) for each in _chain(error))


def means_broken_card(error: BaseException) -> bool:
    """Whether an error, or what caused it, comes from a card's libraries and is not about memory.

    After most of these whatever the process asks of the card fails: an illegal access, a fault of the card.
    """
    if means_out_of_memory(error):
        return False
    return any(isinstance(each, RuntimeError) and _BROKEN.search(str(each)) for each in _chain(error))


def _is_about_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or any(_is_torchs(kind) for kind in type(error).__mro__):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(message in text for message in _MESSAGES)


def _is_torchs(kind: type) -> bool:
    return kind.__name__ == "OutOfMemoryError" and kind.__module__.split(".")[0] == "torch"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__
