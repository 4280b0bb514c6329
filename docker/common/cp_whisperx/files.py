"""Atomic writes, locks, and JSON files with clear error messages."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from cp_whisperx.contract import SCHEMA_VERSION, Document
from cp_whisperx.errors import StageError, one_line

D = TypeVar("D", bound=Document)
_REPEAT: Final = "Run `cp-whisperx resume JOB`: it repeats every stage with a damaged result."


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file atomically: a reader, even after a crash, sees the old or the new content.

    Raises OSError with the name of this file, not of the temporary one.
    """
    data = content.encode() if isinstance(content, str) else content
    partial = ""
    try:
        descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except OSError as error:
        if partial:
            Path(partial).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_document(path: Path, document: Document) -> None:
    """Writes a contract file in the current schema version; the same document always gives the same bytes."""
    current = document.model_copy(update={"schema_version": SCHEMA_VERSION})
    write_atomically(path, current.model_dump_json(indent=2) + "\n")


def read_document(path: Path, model: type[D], way_out: str = _REPEAT) -> D:
    """Reads a contract file.

    Raises StageError if the file is missing or damaged, has an unknown schema version or does not match the model.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise StageError(f"The file {path} is missing.", way_out) from error
    try:
        version = _version_in(content)
    except ValueError as error:
        raise StageError(f"The file {path} is damaged: {error}.", way_out) from error
    if version not in range(1, SCHEMA_VERSION + 1):
        raise StageError(
            f"The file {path} has schema version {version}; this program supports versions 1 to {SCHEMA_VERSION}.",
            "Use images of one release, or submit the film again with --again.",
        )
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise StageError(f"The file {path} does not match its schema: {one_line(error)}.", way_out) from error


def _version_in(content: bytes) -> object:
    document = from_json(content)
    if not isinstance(document, dict) or "schema_version" not in document:
        message = "it is not a JSON object with a schema_version"
        raise ValueError(message)
    return document["schema_version"]


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds a file lock while the block runs. Without `wait`, yields False at once if another process holds it.

    The kernel releases the lock when its holder exits, even by a crash.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
