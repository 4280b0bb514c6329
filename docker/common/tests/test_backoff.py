"""Out of memory: what is taken for it, and what is tried then."""

import gc
import weakref
from itertools import pairwise
from types import ModuleType
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cp_whisperx.backoff import OutOfMemoryError, loading_model, means_broken_gpu, means_out_of_memory, with_backoff
from cp_whisperx.errors import StageError


def torch_error(module: str) -> Exception:
    """The error of torch, as far as its name goes."""
    kind = type("OutOfMemoryError", (RuntimeError,), {"__module__": module})
    error = kind("Tried to allocate 20.00 MiB")
    assert isinstance(error, RuntimeError)
    return error


def caused(error: Exception) -> Exception:
    wrapped = StageError("The model cannot be opened.", "Try again.")
    wrapped.__cause__ = error
    return wrapped


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch_error("torch"),
        torch_error("torch.cuda"),
        RuntimeError("CUDA failed with error out of memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB"),
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_NOT_INITIALIZED"),
        RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
        RuntimeError("cuDNN failed with status CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("std::bad_alloc"),
        caused(RuntimeError("CUDA failed with error out of memory")),
    ],
)
def test_these_are_about_memory(error: Exception) -> None:
    assert means_out_of_memory(error)
    assert not means_broken_gpu(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("out of memory"),
        RuntimeError("CUDA failed with error an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("Library libcublas.so.12 is not found or cannot be loaded"),
        StageError("The model is missing.", "Get it."),
        type("OutOfMemoryError", (Exception,), {"__module__": "torchlight"})("words"),
        OSError(28, "No space left on device"),
    ],
)
def test_these_are_not(error: Exception) -> None:
    assert not means_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously"
        ),
        RuntimeError("CUDA failed with error unspecified launch failure"),
        RuntimeError("CUDA driver error: unknown error"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_INTERNAL_ERROR"),
        RuntimeError("cuFFT error: CUFFT_EXEC_FAILED"),
        caused(RuntimeError("CUDA failed with error uncorrectable ECC error encountered")),
    ],
)
def test_these_mean_that_the_card_is_broken(error: Exception) -> None:
    assert means_broken_gpu(error)
    assert not means_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Expected all tensors to be on the same device, but found two devices, cuda:0 and cpu!"),
        RuntimeError("Library libcublas.so.12 is not found or cannot be loaded"),
        ValueError("CUDA error: a text of somebody else"),
    ],
)
def test_these_do_not(error: Exception) -> None:
    assert not means_broken_gpu(error)


def test_a_chain_of_causes_that_bites_its_tail_ends() -> None:
    error = RuntimeError("words")
    error.__cause__ = error
    assert not means_out_of_memory(error)


@given(st.integers(1, 40), st.integers(0, 40))
def test_each_step_is_tried_once_until_one_fits(count: int, fits_from: int) -> None:
    tried: list[int] = []
    reported: list[tuple[int, int, str]] = []

    def run(step: int) -> int:
        tried.append(step)
        if step < fits_from:
            raise MemoryError
        return step * 2

    def attempt() -> int:
        with patch("cp_whisperx.backoff.gc"):  # it takes long in a process with so many modules
            return with_backoff(range(count), run, means_out_of_memory, lambda *words: reported.append(words))

    if fits_from < count:
        assert attempt() == fits_from * 2
    else:
        with pytest.raises(OutOfMemoryError, match=f"even for {count - 1}: MemoryError"):
            attempt()
    last = min(fits_from, count - 1)
    assert tried == list(range(last + 1))
    assert reported == [(step, step + 1, "MemoryError") for step in range(last)]


def test_another_error_ends_it_at_once() -> None:
    tried: list[str] = []

    def run(step: str) -> None:
        tried.append(step)
        raise RuntimeError("a wrong model")

    with pytest.raises(RuntimeError, match="a wrong model"):
        with_backoff(["a", "b"], run, means_out_of_memory, lambda *_words: None)
    assert tried == ["a"]


def test_what_a_failed_try_held_is_free_before_the_next() -> None:
    held: list[weakref.ref[ModuleType]] = []

    def run(step: int) -> int:
        assert all(each() is None for each in held)
        model = ModuleType("a model of many gigabytes")
        held.append(weakref.ref(model))
        if step < 3:
            raise MemoryError
        return step

    gc.disable()
    try:
        assert with_backoff(range(4), run, means_out_of_memory, lambda *_words: None) == 3
    finally:
        gc.enable()
    assert len(held) == 4


def test_a_model_that_does_not_fit_is_not_loaded_again_for_a_smaller_batch() -> None:
    tried: list[tuple[str, int]] = []
    reported: list[tuple[tuple[str, int], tuple[str, int]]] = []

    def run(step: tuple[str, int]) -> str:
        tried.append(step)
        with loading_model():
            if step[0] != "small":
                raise RuntimeError("CUDA failed with error out of memory")
        if step[1] > 1:
            raise RuntimeError("CUDA failed with error out of memory")
        return step[0]

    steps = [(model, batch) for model in ("large", "medium", "small") for batch in (4, 2, 1)]
    found = with_backoff(
        steps,
        run,
        means_out_of_memory,
        lambda step, following, _text: reported.append((step, following)),
        lambda one, other: one[0] == other[0],
    )
    assert found == "small"
    assert tried == [("large", 4), ("medium", 4), ("small", 4), ("small", 2), ("small", 1)]
    assert reported == list(pairwise(tried))
    with pytest.raises(OutOfMemoryError, match=r"even for \('medium', 4\): CUDA failed"):
        with_backoff(steps[:6], run, means_out_of_memory, lambda *_words: None, lambda one, other: one[0] == other[0])


def test_another_error_while_loading_is_left_alone() -> None:
    with pytest.raises(ValueError, match="words"), loading_model():
        raise ValueError("words")


def test_no_step_at_all_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no step"):
        with_backoff([], lambda _step: None, means_out_of_memory, lambda *_words: None)
