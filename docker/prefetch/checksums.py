"""Checksums of files in the hub's cache: huggingface_hub names each file after the hash of its content."""

import hashlib
from pathlib import Path
from typing import Final

from cp_whisperx.files import sha256_of

_CHUNK: Final = 1 << 20
_SHA256_LENGTH: Final = 64
"""Length of a large file's name; other files are named by their git hash, with 40 digits."""


def is_as_named(path: Path) -> bool:
    """Whether the content of a snapshot's file, a link to a file named after its hash, matches that hash."""
    file = path.resolve()
    return file.name == (sha256_of(file) if len(file.name) == _SHA256_LENGTH else git_hash(file))


def git_hash(path: Path) -> str:
    """The git hash (blob id) of a file, by which the hub names files that are not large."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
