"""Out of memory: retries the work with smaller steps until it fits.

Also distinguishes errors of a full GPU from those of a broken one.
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
    "cublas_status_not_initialized",  # too little memory left for cuBLAS itself
    "cufft_alloc_failed",
    "cudnn_status_alloc_failed",
    "allocation_failed",  # cuDNN 9: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
    "cudaerrormemoryallocation",
    "failed to allocate memory",  # onnxruntime
    "can't allocate memory",  # torch on the CPU
    "std::bad_alloc",
)
_BROKEN: Final = re.compile(
    r"\bcuda (driver )?(error|failed)|\bcu(blas|dnn|fft|sparse|solver)(_| error| failed)", re.IGNORECASE
)
_log: Final = logging.getLogger("cp_whisperx.backoff")


class OutOfMemoryError(StageError):
    """There is not enough memory even for the smallest step."""


class ModelTooLargeError(RuntimeError):
    """There is not enough memory for the model itself; raised from the library's own error."""


def with_backoff(
    steps: Sequence[S],
    run: Callable[[S], R],
    is_out_of_memory: Callable[[BaseException], bool],
    report: Callable[[S, S, str], None],
    same_model: Callable[[S, S], bool] = lambda _one, _other: False,
) -> R:
    """The result of `run` for the first step that fits into memory.

    Tries each step once. After a ModelTooLargeError it skips the steps with the same model: loading it again takes long
    and fails again. After a failure, `report` gets the failed step, the next one and the error's text; the memory of
    the failed attempt is free by then. Raises OutOfMemoryError if the last step fails, and any other error at once.
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
        # Outside of the handler: the error is gone, and with it the frames that hold models and audio.
        gc.collect()
        if left:
            report(step, left[0], text)
    raise OutOfMemoryError(
        f"Not enough memory even for {step}: {text}.",
        "Give this service more memory (memoryMegabytes), or a GPU with more free memory (gpu.devices), then resume.",
    )


@contextlib.contextmanager
def loading_model() -> Iterator[None]:
    """For a block that loads or moves a model: raises ModelTooLargeError if it runs out of memory."""
    try:
        yield
    except Exception as error:
        if not means_out_of_memory(error):
            raise
        raise ModelTooLargeError(str(error).strip() or type(error).__name__) from error


def means_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one of its causes, means out of memory, on the GPU or in the container.

    Knows the errors of torch, ctranslate2, cuBLAS, cuDNN, onnxruntime and Python, without importing these libraries.
    """
    return any(_is_about_memory(each) for each in _chain(error))


def means_broken_gpu(error: BaseException) -> bool:
    """Whether an error, or one of its causes, comes from a GPU library and is not about memory.

    After most of these, such as an illegal memory access, every further call to the GPU fails in this process.
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
