"""NVIDIA's driver for tests: the functions of libcuda, called as C calls them, over cards that the test lays down."""

import ctypes
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from cp_whisperx.cuda_driver import Driver, started

MEBIBYTE = 2**20
INT, SIZE, POINTER = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p
CODES = {2: "CUDA_ERROR_OUT_OF_MEMORY", 46: "CUDA_ERROR_DEVICE_UNAVAILABLE", 100: "CUDA_ERROR_NO_DEVICE"}


@dataclass
class FakeCard:
    """A card with this much memory, in MiB."""

    name: str = "NVIDIA L4"
    memory: int = 23_034
    free: int = 22_500
    opening: int = 0
    """Answer to whoever opens it."""
    mode: int = 0
    capability: tuple[int, int] = (8, 9)
    lost: int = 0
    """Answer to whoever asks for it."""


@dataclass
class FakeCuda:
    """The driver's library."""

    cards: list[FakeCard] = field(default_factory=list)
    init: int = 0
    version: int = 12_080
    opened: list[int] = field(default_factory=list)
    """The cards that were opened, in order."""
    held: list[int] = field(default_factory=list)
    """The cards whose context is not given back."""
    current: list[int] = field(default_factory=list)

    def start(self) -> Driver:
        """Opens it, as open_driver opens the real one."""
        return started(self.library(), "570.86.15")

    def library(self) -> SimpleNamespace:
        """The functions, with the types that cuda.h gives them."""
        functions: dict[str, tuple[Any, tuple[Any, ...]]] = {
            "cuInit": (lambda _flags: self.init, (ctypes.c_uint,)),
            "cuDriverGetVersion": (lambda out: _put(INT, out, self.version), (POINTER,)),
            "cuDeviceGetCount": (lambda out: _put(INT, out, len(self.cards)), (POINTER,)),
            "cuDeviceGet": (self._get, (POINTER, INT)),
            "cuDeviceGetName": (self._name, (POINTER, INT, INT)),
            "cuDeviceTotalMem_v2": (
                lambda out, device: _put(SIZE, out, self._card(device).memory * MEBIBYTE),
                (POINTER, INT),
            ),
            "cuDeviceGetAttribute": (self._attribute, (POINTER, INT, INT)),
            "cuDevicePrimaryCtxRetain": (self._retain, (POINTER, INT)),
            "cuDevicePrimaryCtxRelease_v2": (self._release, (INT,)),
            "cuCtxPushCurrent_v2": (self._push, (POINTER,)),
            "cuCtxPopCurrent_v2": (lambda out: _put(POINTER, out, self.current.pop() + 1000), (POINTER,)),
            "cuMemGetInfo_v2": (self._memory, (POINTER, POINTER)),
            "cuGetErrorName": (lambda code, out: self._text(code, out, CODES.get(code)), (INT, POINTER)),
            "cuGetErrorString": (lambda code, out: self._text(code, out, "words of the driver"), (INT, POINTER)),
        }
        self._texts: list[ctypes.c_char_p] = []
        compiled = {name: ctypes.CFUNCTYPE(INT, *types)(function) for name, (function, types) in functions.items()}
        return SimpleNamespace(**compiled)

    def _card(self, device: int) -> FakeCard:
        return self.cards[device - 40]

    def _get(self, out: int, index: int) -> int:
        return self.cards[index].lost or _put(INT, out, index + 40)

    def _attribute(self, out: int, attribute: int, device: int) -> int:
        card = self._card(device)
        return _put(INT, out, {20: card.mode, 75: card.capability[0], 76: card.capability[1]}[attribute])

    def _name(self, out: int, length: int, device: int) -> int:
        ctypes.memmove(out, self._card(device).name.encode()[: length - 1] + b"\0", len(self._card(device).name) + 1)
        return 0

    def _retain(self, out: int, device: int) -> int:
        self.opened.append(device - 40)
        if self._card(device).opening == 0:
            self.held.append(device - 40)
        return self._card(device).opening or _put(POINTER, out, device - 40 + 1000)

    def _release(self, device: int) -> int:
        self.held.remove(device - 40)
        return 0

    def _push(self, context: int) -> int:
        self.current.append(context - 1000)
        return 0

    def _memory(self, free: int, total: int) -> int:
        card = self.cards[self.current[-1]]
        return _put(SIZE, free, card.free * MEBIBYTE) or _put(SIZE, total, card.memory * MEBIBYTE)

    def _text(self, code: int, out: int, text: str | None) -> int:
        if text is None or code not in CODES:
            return 1
        self._texts.append(ctypes.c_char_p(text.encode()))
        return _put(ctypes.c_char_p, out, self._texts[-1].value)


def _put(kind: Any, address: int, value: object) -> int:  # noqa: ANN401 - a type of ctypes
    """Writes through a pointer; 0, as for success."""
    kind.from_address(address).value = value
    return 0
