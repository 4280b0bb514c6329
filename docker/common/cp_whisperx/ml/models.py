"""Packaged model files, which come from the `models` image."""

import json
import os
from pathlib import Path

from pydantic import Field

from cp_whisperx.errors import StageError
from cp_whisperx.ml.hub import FILL_AGAIN
from cp_whisperx.stage import StageSettings

_WAY_OUT = f"Run `{FILL_AGAIN}`: it restores missing and damaged files in the model cache."


class ModelSettings(StageSettings):
    """Settings of every stage with a model."""

    threads: int = Field(default=2, ge=1, le=64, description="CPU threads for this stage's models.")


def model_path(relative: str) -> Path:
    """The path of a model file or folder in MODEL_CACHE; raises StageError if it is missing."""
    path = _cache_folder() / relative
    if not path.exists():
        raise StageError(f"The model {path} is missing (MODEL_CACHE={_cache_folder()}).", _WAY_OUT)
    return path


def model_version(relative: str) -> str:
    """The hashes of a packaged model's files, for the key of a result; empty for a model that is not packaged."""
    try:
        packaged: dict[str, str] = json.loads((_cache_folder() / "packaged.json").read_text())
    except FileNotFoundError:
        return ""
    return " ".join(packaged[name] for name in sorted(packaged) if f"{name}/".startswith(f"{relative}/"))


def _cache_folder() -> Path:
    return Path(os.environ.get("MODEL_CACHE", "/models"))


def damaged_model(path: Path, error: Exception) -> StageError:
    """The error for a model file that exists and cannot be opened."""
    return StageError(f"The model {path} cannot be opened: {error}.", _WAY_OUT)
