"""Checks whether this image can use the host's Python environment, which provides torch in native mode.

It only reads files and imports no library: a package that was compiled for another Python or another CPU architecture
cannot be imported.
"""

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cp_whisperx.errors import StageError

PLACE: Final = Path("/app/.bollyenv")
"""Where the environment is mounted."""
SERIES: Final = {"numpy": "2.0", "torch": "2.8", "torchaudio": "2.8", "ctranslate2": "4.6"}
"""Required packages as major.minor: the stages are locked to these, and they depend on each other."""
HUB_SERIES: Final = {"pyannote.audio": "3.4", "transformers": "4.57", "sentencepiece": "0.2", "whisperx": "3.7"}
"""Packages that hub models require in addition."""
_WAY_OUT: Final = (
    "Create it on the engine's host with `make native-environment`, set native.environment to its folder, then run "
    "`make up`."
)
_ELF: Final = b"\x7fELF"
_MACHINE: Final = slice(18, 20)
"""The bytes of an ELF file that have its CPU architecture."""
_PROCESSORS: Final = {62: "x86_64", 183: "aarch64"}

Python = tuple[int, int]


def check_native_environment(folder: Path = PLACE, python: Python = sys.version_info[:2], *, hub: bool = False) -> None:
    """Raises StageError, with the fix, if this image cannot use the environment in `folder`.

    `hub`: whether hub models are used. Default: False.
    """
    problem = next(_problems(folder, python, SERIES | HUB_SERIES if hub else SERIES), None)
    if problem is not None:
        raise StageError(f"The host's Python environment {folder} (EXECUTION_MODE=native) {problem}.", _WAY_OUT)


def _problems(folder: Path, python: Python, series: Mapping[str, str]) -> Iterator[str]:
    """The problems, the most basic first; only the first one is reliable."""
    packages = folder / "lib" / f"python{python[0]}.{python[1]}" / "site-packages"
    try:
        yield from _faults_of_folder(folder, python)
        yield from _faults_of_packages(packages, series)
        yield from _faults_of_processor(packages, series)
    except PermissionError as error:
        yield f"cannot be read by user {os.getuid()}: {error.filename}"


def _faults_of_folder(folder: Path, python: Python) -> Iterator[str]:
    if not folder.is_dir() or not any(folder.iterdir()):
        yield "is missing"
    try:
        made_by = _python_of(folder / "pyvenv.cfg")
    except FileNotFoundError:
        yield "has no pyvenv.cfg, so it is not a Python environment, or not a complete one"
        return
    if made_by != python:
        found = f"Python {made_by[0]}.{made_by[1]}" if made_by else "an unknown Python"
        yield f"was created by {found}, and this image has Python {python[0]}.{python[1]}"


def _python_of(settings: Path) -> Python | None:
    """The version in pyvenv.cfg: `version` from venv, `version_info` from virtualenv and uv."""
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", settings.read_text(errors="replace"), re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else None


def _faults_of_packages(packages: Path, series: Mapping[str, str]) -> Iterator[str]:
    lacking = [name for name in series if not (_package(packages, name) / "__init__.py").is_file()]
    if lacking:
        yield f"lacks {', '.join(lacking)} in {packages}"
    for name, expected in series.items():
        version = _version_of(packages, name)
        if version is not None and not f"{version}.".startswith(f"{expected}."):
            yield f"has {name} {version}, and this image needs {name} {expected}"


def _package(packages: Path, name: str) -> Path:
    return packages / name.replace(".", "/")


def _version_of(packages: Path, name: str) -> str | None:
    """The version that the installer recorded; None if there is none."""
    for folder in sorted(packages.glob("*.dist-info")):
        noted, _, version = folder.stem.partition("-")
        # An installer writes pyannote.audio or pyannote_audio.
        if noted.replace(".", "_") == name.replace(".", "_"):
            return version
    return None


def _faults_of_processor(packages: Path, series: Mapping[str, str]) -> Iterator[str]:
    """Compares the CPU architecture of compiled files with that of the running Python."""
    own = _processor_of(Path(sys.executable))
    for name in series:
        for compiled in _package(packages, name).rglob("*.so"):
            found = _processor_of(compiled)
            if own is not None and found not in (own, None):
                yield f"is for the CPU architecture {found}, and this one is {platform.machine()} ({compiled})"
            break


def _processor_of(path: Path) -> str | None:
    """The CPU architecture of an ELF file; None for another file."""
    with path.open("rb") as file:
        head = file.read(_MACHINE.stop)
    if head[:4] != _ELF or len(head) < _MACHINE.stop:
        return None
    number = int.from_bytes(head[_MACHINE], "little")
    return _PROCESSORS.get(number, f"unknown ({number})")
