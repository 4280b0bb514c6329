"""Reads the weights of a torch checkpoint without torch, and executes nothing that stands in it.

A checkpoint is a pickle whose tensors point into raw storages (https://pytorch.org/docs/stable/notes/serialization.html).
Unpickling could call any function by name; here only the few names that make up tensors are known, all others become
inert records.
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[Any]]

_KINDS: Final = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


@dataclass
class _Storage:
    """Raw numbers that tensors share."""

    kind: Any
    data: NDArray[Any] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage, not looked at before the storage is filled."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> NDArray[Any]:
        """The numbers, in their own memory."""
        start = self.storage.data[self.offset :]
        steps = [step * start.itemsize for step in self.stride]
        needed = 1 + sum((length - 1) * step for length, step in zip(self.size, self.stride, strict=True))
        if 0 in self.size:
            return np.zeros(self.size, start.dtype)
        if needed > len(start) or min(self.stride, default=0) < 0:
            raise ValueError(f"a tensor of size {self.size} reaches beyond its storage of {len(start)} numbers")
        return np.lib.stride_tricks.as_strided(start, self.size, steps, writeable=False).copy()


class _Inert(dict[Any, Any]):
    """Stands for any other object: takes what unpickling gives it, and does nothing."""

    def __init__(self, *_arguments: object, **_options: object) -> None:
        super().__init__()

    def __setstate__(self, _state: object) -> None:
        """Forgets the state."""

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def append(self, _item: object) -> None:
        """Forgets the item."""

    def extend(self, _items: object) -> None:
        """Forgets the items."""


def _tensor(storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_more: object) -> _Tensor:
    return _Tensor(storage, offset, size, stride)


def _parameter(tensor: _Tensor, *_more: object) -> _Tensor:
    return tensor


class _Unpickler(pickle.Unpickler):
    """Unpickles tensors and plain containers, and nothing else."""

    def __init__(self, file: BinaryIO, storages: dict[str, _Storage]) -> None:
        super().__init__(file)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - whatever a pickle names
        """The few names that are known; an inert class for all others."""
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch._utils", "_rebuild_parameter":
                return _parameter
            case "torch", kind if kind in _KINDS:
                return kind
            case _:
                return type(name, (_Inert,), {})

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401 - what the pickle says
        """The storage that a tensor points to, still empty."""
        _, kind, key, *_ = pid
        return self._storages.setdefault(str(key), _Storage(_KINDS[kind]))


def read_weights(path: Path, entry: str) -> Weights:
    """The tensors below `entry` of a checkpoint, by name; ValueError for a file that is not one."""
    storages: dict[str, _Storage] = {}
    try:
        content = _read_zip(path, storages) if zipfile.is_zipfile(path) else _read_legacy(path, storages)
        tensors = content[entry]
    except (KeyError, TypeError, EOFError, struct.error, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a torch checkpoint with {entry!r} in it: {error!r}") from error
    return {name: tensor.array() for name, tensor in tensors.items() if isinstance(tensor, _Tensor)}


def _read_zip(path: Path, storages: dict[str, _Storage]) -> Any:  # noqa: ANN401 - a pickle's content
    """The format since torch 1.6: a pickle and one file per storage."""
    with zipfile.ZipFile(path) as archive:
        home = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix("data.pkl")
        content = _Unpickler(io.BytesIO(archive.read(f"{home}data.pkl")), storages).load()
        for key, storage in storages.items():
            storage.data = np.frombuffer(archive.read(f"{home}data/{key}"), storage.kind)
    return content


def _read_legacy(path: Path, storages: dict[str, _Storage]) -> Any:  # noqa: ANN401 - a pickle's content
    """The format before it: magic number, protocol and machine, then the content, then the storages one by one."""
    with path.open("rb") as file:
        for _ in ("magic number", "protocol", "machine"):
            _Unpickler(file, storages).load()
        content = _Unpickler(file, storages).load()
        for key in _Unpickler(file, storages).load():
            storage = storages[str(key)]
            (count,) = struct.unpack("<q", file.read(8))
            storage.data = np.frombuffer(file.read(count * np.dtype(storage.kind).itemsize), storage.kind)
    return content
