"""The models of the package, put together from parts."""

import hashlib
import json
from pathlib import Path

import pytest

from package_models import join, write_list


def test_parts_are_joined_only_to_the_expected_whole(tmp_path: Path) -> None:
    (tmp_path / "part1").write_bytes(b"one ")
    (tmp_path / "part2").write_bytes(b"two")
    parts = [tmp_path / "part1", tmp_path / "part2"]
    join(parts, tmp_path / "deep/whole.bin", hashlib.sha256(b"one two").hexdigest())
    assert (tmp_path / "deep/whole.bin").read_bytes() == b"one two"
    with pytest.raises(ValueError, match=r"whole\.bin made of 2 parts has SHA-256"):
        join(parts[::-1], tmp_path / "deep/whole.bin", hashlib.sha256(b"one two").hexdigest())


def test_the_list_names_every_file_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.bin").write_bytes(b"c")
    (tmp_path / "d").write_bytes(b"d")
    write_list(tmp_path)
    assert json.loads((tmp_path / "packaged.json").read_text()) == {
        "a/b/c.bin": hashlib.sha256(b"c").hexdigest(),
        "d": hashlib.sha256(b"d").hexdigest(),
    }
