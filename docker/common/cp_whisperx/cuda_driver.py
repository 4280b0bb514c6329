"""Queries NVIDIA's driver through its own library, which comes with the driver: no CUDA package is needed.

Every call returns a code; CudaError has the driver's name and text for it.
"""

import contextlib
import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_LIBRARY: Final = "libcuda.so.1"
_VERSION_FILE: Final = Path("/proc/driver/nvidia/version")
_MEBIBYTE: Final = 2**20
_LONGEST_NAME: Final = 256
_COMPUTE_MODE: Final = 20
_EXCLUSIVE_PROCESS: Final = 3
_CAPABILITY: Final = (75, 76)
"""The driver's attribute numbers for the major and minor compute capability."""
NO_DRIVER: Final = "NO_DRIVER"
"""The name of the CudaError for a missing driver library; all other names are the driver's own."""
NO_DEVICE: Final = "CUDA_ERROR_NO_DEVICE"
_OUT_OF_MEMORY: Final = "CUDA_ERROR_OUT_OF_MEMORY"
_UNAVAILABLE: Final = "CUDA_ERROR_DEVICE_UNAVAILABLE"


class CudaError(Exception):
    """The driver is missing, or a call failed."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}" if text else name)
        self.name = name
        self.text = text


@dataclass(frozen=True)
class Card:
    """A GPU that the driver shows to this process."""

    index: int
    name: str
    memory: int
    """Total MiB."""
    capability: tuple[int, int]
    """Compute capability: (7, 0) is Volta, (8, 9) Ada."""


@dataclass(frozen=True)
class Driver:
    """The driver's library, initialised."""

    library: Any
    release: str
    """The driver's release, such as 570.86.15; empty if unknown."""
    cuda: tuple[int, int]
    """The newest CUDA version that it supports, such as (12, 8)."""

    def count(self) -> int:
        """The number of GPUs, including broken ones."""
        count = ctypes.c_int()
        _call(self.library, "cuDeviceGetCount", ctypes.byref(count))
        return count.value

    def card(self, index: int) -> Card:
        """A GPU as the driver describes it without opening it; raises CudaError if it is missing or lost."""
        device = self._device(index)
        name = ctypes.create_string_buffer(_LONGEST_NAME)
        _call(self.library, "cuDeviceGetName", name, ctypes.c_int(_LONGEST_NAME), device)
        total = ctypes.c_size_t()
        _call(self.library, "cuDeviceTotalMem_v2", ctypes.byref(total), device)
        major, minor = (self._attribute(each, index) for each in _CAPABILITY)
        return Card(index, name.value.decode(errors="replace"), total.value // _MEBIBYTE, (major, minor))

    def free_memory(self, index: int) -> int | None:
        """Opens a GPU, which takes a moment and some of its memory, and returns its free MiB.

        None for a GPU that is out of memory, or in exclusive mode and in use. Raises CudaError for one that cannot be
        used.
        """
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        try:
            with self._opened(self._device(index)):
                _call(self.library, "cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        except CudaError as error:
            if error.name == _OUT_OF_MEMORY or (error.name == _UNAVAILABLE and self._is_exclusive(index)):
                return None
            raise
        return free.value // _MEBIBYTE

    @contextlib.contextmanager
    def _opened(self, device: ctypes.c_int) -> Iterator[None]:
        """Makes the GPU's primary context, which all libraries of this process share, the current one."""
        context = ctypes.c_void_p()
        _call(self.library, "cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        try:
            _call(self.library, "cuCtxPushCurrent_v2", context)
            try:
                yield
            finally:
                _call(self.library, "cuCtxPopCurrent_v2", ctypes.byref(context))
        finally:
            _call(self.library, "cuDevicePrimaryCtxRelease_v2", device)

    def _is_exclusive(self, index: int) -> bool:
        return self._attribute(_COMPUTE_MODE, index) == _EXCLUSIVE_PROCESS

    def _attribute(self, number: int, index: int) -> int:
        value = ctypes.c_int()
        _call(self.library, "cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(number), self._device(index))
        return value.value

    def _device(self, index: int) -> ctypes.c_int:
        device = ctypes.c_int()
        _call(self.library, "cuDeviceGet", ctypes.byref(device), ctypes.c_int(index))
        return device


def open_driver(library: str = _LIBRARY, version_file: Path = _VERSION_FILE) -> Driver:
    """The initialised driver; raises CudaError if there is none, or if it finds no GPU."""
    try:
        loaded = ctypes.CDLL(library)
    except OSError as error:
        raise CudaError(NO_DRIVER, str(error)) from error
    return started(loaded, _release(version_file))


def started(library: Any, release: str) -> Driver:  # noqa: ANN401 - a library has the functions that it has
    """Initialises the driver of a loaded library; raises CudaError if that fails."""
    _call(library, "cuInit", ctypes.c_uint(0))
    version = ctypes.c_int()
    _call(library, "cuDriverGetVersion", ctypes.byref(version))
    return Driver(library, release, (version.value // 1000, version.value % 1000 // 10))


def _release(version_file: Path) -> str:
    try:
        found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", version_file.read_text())
    except OSError:
        return ""
    return found.group() if found else ""


def _call(library: Any, function: str, *arguments: Any) -> None:  # noqa: ANN401 - what C takes
    """Calls a function of the driver; raises CudaError unless it succeeds."""
    code = getattr(library, function)(*arguments)
    if code != 0:
        raise CudaError(
            _text(library, "cuGetErrorName", code) or f"{function} gave {code}",
            _text(library, "cuGetErrorString", code),
        )


def _text(library: Any, function: str, code: int) -> str:  # noqa: ANN401 - as above
    text = ctypes.c_char_p()
    unknown = getattr(library, function)(ctypes.c_int(code), ctypes.byref(text))
    return "" if unknown or text.value is None else text.value.decode(errors="replace")
