"""What a file of the hub's cache is to hold: huggingface_hub names each after its content."""

import hashlib
from pathlib import Path
from typing import Final

from cp_whisperx.files import sha256_of

_CHUNK: Final = 1 << 20
_SHA256_LENGTH: Final = 64
"""Digits of a large file's name; any other file has git's name, of 40."""


def is_as_named(path: Path) -> bool:
    """Whether a file of a commit, which links to one named after its content, has that content."""
    file = path.resolve()
    return file.name == (sha256_of(file) if len(file.name) == _SHA256_LENGTH else git_hash(file))


def git_hash(path: Path) -> str:
    """The name that git gives to a file's content: how a hub names files that are not large."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
