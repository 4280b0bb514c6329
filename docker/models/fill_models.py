"""models: copies missing and damaged files of the packaged models into the model cache.

Safe to repeat, to interrupt and to run twice at the same time: complete files are kept, other files are copied to a
partial file and renamed, and packaged.json, the list of the files, is written last. Other files in the cache, such as
models from a hub, are left alone.
"""

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from cp_whisperx.errors import StageError
from cp_whisperx.files import locked, sha256_of, sync_folder, write_atomically

_LIST: Final = "packaged.json"
_LOCK: Final = ".fill.lock"
_PARTIAL: Final = ".partial"
_CHUNK: Final = 4 << 20
"""Bytes to copy at a time."""
_MEGABYTE: Final = 1_000_000

Say = Callable[[str], None]


@dataclass(frozen=True)
class Package:
    """The models of this image: a folder, and the SHA-256 of each of its files."""

    folder: Path
    files: dict[str, str]

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return (self.folder / name).stat().st_size


def read_package(folder: Path) -> Package:
    """The package in `folder`; raises StageError if it has no list of files."""
    try:
        return Package(folder, json.loads((folder / _LIST).read_text()))
    except (OSError, ValueError) as error:
        raise StageError(
            f"{folder} has no packaged models: {error}.", "Run this program in the image `models`, or set --source."
        ) from error


def fill(package: Package, cache: Path, say: Say) -> int:
    """Brings the cache up to date with the package; returns the number of copied files.

    Raises StageError if the cache is missing, full or not writable.
    """
    if not cache.is_dir():
        raise StageError(f"The model cache {cache} is missing.", "Mount its volume there; `make up` does so.")
    try:
        return _fill_locked(package, cache, say)
    except OSError as error:
        raise _disk_error(error, cache, package) from error


def _fill_locked(package: Package, cache: Path, say: Say) -> int:
    lock = cache / _LOCK
    with locked(lock, wait=False) as alone:
        if alone:
            return _copy_lacking(package, cache, say)
    say("another fill of this cache is running; waiting for it")
    with locked(lock):
        return _copy_lacking(package, cache, say)


def _copy_lacking(package: Package, cache: Path, say: Say) -> int:
    """Runs under the lock, so every partial file is left over from an interrupted fill."""
    for leftover in cache.rglob(f".*{_PARTIAL}"):
        leftover.unlink()
    lacking = lacking_files(package, cache, say)
    _check_room(package, cache, lacking)
    for number, name in enumerate(lacking, start=1):
        say(f"{number} of {len(lacking)}: {name}, {package.size(name) / _MEGABYTE:.1f} MB")
        _copy(package.folder / name, cache / name, package.files[name])
    content = json.dumps(package.files, indent=2) + "\n"
    if lacking or not (cache / _LIST).is_file() or (cache / _LIST).read_text() != content:
        write_atomically(cache / _LIST, content)
    say(f"{cache}: {len(package.files)} files there, {len(lacking)} of them copied now")
    return len(lacking)


def lacking_files(package: Package, cache: Path, say: Say) -> list[str]:
    """The packaged files that are missing from the cache or damaged in it."""
    lacking: list[str] = []
    for name, sha256 in package.files.items():
        path = cache / name
        if not path.is_file():
            lacking.append(name)
        elif path.stat().st_size != package.size(name) or sha256_of(path) != sha256:
            say(f"{name} differs from the package; it will be replaced")
            lacking.append(name)
    return lacking


def _check_room(package: Package, cache: Path, lacking: list[str]) -> None:
    needed, free = sum(package.size(name) for name in lacking), shutil.disk_usage(cache).free
    if needed > free:
        raise _no_room(cache, needed, free)


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copies a file atomically."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}{_PARTIAL}")
    digest = hashlib.sha256()
    try:
        with source.open("rb") as reader, partial.open("wb") as writer:
            while chunk := reader.read(_CHUNK):
                digest.update(chunk)
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
        if digest.hexdigest() != sha256:
            raise StageError(f"{source} of this image is damaged.", "Remove the image `models` and run `make up`.")
        partial.chmod(0o644)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(target.parent)


def _no_room(cache: Path, needed: int, free: int) -> StageError:
    return StageError(
        f"The disk is full: the model cache {cache} needs {needed / _MEGABYTE:.0f} MB more, "
        f"{free / _MEGABYTE:.0f} MB are free.",
        "Free disk space for the engine's volumes (see `docker system df`), then run `make up`.",
    )


def _disk_error(error: OSError, cache: Path, package: Package) -> StageError:
    """The message for an error of the disk."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        needed = sum(package.size(name) for name in package.files if not (cache / name).is_file())
        return _no_room(cache, needed, shutil.disk_usage(cache).free)
    return StageError(
        f"Cannot write to the model cache {cache}: {error}.",
        f"Let user {os.getuid()} write to it, then run `make up`.",
    )


@click.command()
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    default=Path("/opt/models"),
    show_default=True,
    help="Folder with the packaged models.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    envvar="MODEL_CACHE",
    default=Path("/models"),
    show_default=True,
    help="The model cache; also MODEL_CACHE.",
)
def main(source: Path, cache: Path) -> None:
    """Copy missing and damaged files of the packaged models into the model cache."""
    try:
        fill(read_package(source), cache, lambda line: click.echo(f"models: {line}"))
    except StageError as error:
        click.echo(f"models: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
