"""Checkpoints of torch, read without it."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from checkpoint import read_weights


class Storage:
    """Stands for a torch storage: pickled as a reference to its key."""

    def __init__(self, key: str, values: Any) -> None:
        self.key = key
        self.values = values


class Call:
    """Pickled as a call of a function of a module that need not exist."""

    def __init__(self, module: str, name: str, *arguments: object) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class Writer(pickle._Pickler):  # noqa: SLF001 - the one in Python can write names of modules that are not there
    """Writes what torch writes."""

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Storage):
            return ("storage", Call("torch", "FloatStorage"), obj.key, "cpu", len(obj.values))
        return None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:  # noqa: FBT001, FBT002
        if not isinstance(obj, Call):
            super().save(obj, save_persistent_id)  # type: ignore[misc]
            return
        self.write(f"c{obj.module}\n{obj.name}\n".encode())  # type: ignore[attr-defined]
        if obj.arguments:
            super().save(obj.arguments)  # type: ignore[misc]
            self.write(b"R")  # type: ignore[attr-defined]


def pickled(content: object) -> bytes:
    file = io.BytesIO()
    Writer(file, protocol=2).dump(content)
    return file.getvalue()


def tensor(storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Call:
    return Call("torch._utils", "_rebuild_tensor_v2", storage, offset, size, stride, 0, OrderedDict())


def write_zip(path: Path, content: object, *storages: Storage) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickled(content))
        for storage in storages:
            archive.writestr(f"model/data/{storage.key}", np.asarray(storage.values, np.float32).tobytes())
    return path


def write_legacy(path: Path, content: object, *storages: Storage) -> Path:
    with path.open("wb") as file:
        for part in (1, 1001, {"little_endian": True}, content, [storage.key for storage in storages]):
            file.write(pickled(part))
        for storage in storages:
            file.write(struct.pack("<q", len(storage.values)) + np.asarray(storage.values, np.float32).tobytes())
    return path


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_tensors_come_out_as_they_went_in(tmp_path: Path, write: Any) -> None:
    shared = Storage("0", range(12))
    weights = OrderedDict(
        whole=tensor(shared, 0, (3, 4), (4, 1)),
        turned=tensor(shared, 0, (4, 3), (1, 4)),
        end=tensor(shared, 10, (2,), (1,)),
        one=tensor(shared, 5, (), ()),
        none=tensor(shared, 0, (0, 4), (4, 1)),
    )
    found = read_weights(write(tmp_path / "model.pt", {"state": weights}, shared), "state")
    whole = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert (found["whole"] == whole).all()
    assert (found["turned"] == whole.T).all()
    assert found["end"].tolist() == [10, 11]
    assert found["one"] == 5
    assert found["none"].shape == (0, 4)


@given(values=arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, max_side=5)))
def test_any_tensor_comes_out_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, values: Any) -> None:
    storage = Storage("0", values.reshape(-1))
    stride = tuple(step // values.itemsize for step in np.ascontiguousarray(values).strides)
    path = tmp_path_factory.mktemp("any") / "model.pt"
    found = read_weights(write_zip(path, {"state": {"it": tensor(storage, 0, values.shape, stride)}}, storage), "state")
    assert np.array_equal(found["it"], values, equal_nan=True)


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    content = {"state": {"it": Call("os", "system", f"touch {trap}")}, "more": Call("builtins", "eval", "1/0")}
    assert read_weights(write_zip(tmp_path / "model.pt", content), "state") == {}
    assert not trap.exists()


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    storage = Storage("0", range(4))
    path = write_zip(tmp_path / "model.pt", {"state": {"it": tensor(storage, 1, (2, 2), (2, 1))}}, storage)
    with pytest.raises(ValueError, match="beyond its storage"):
        read_weights(path, "state")


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", pickled(7)])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.pt is not a torch checkpoint"):
        read_weights(tmp_path / "model.pt", "state")
