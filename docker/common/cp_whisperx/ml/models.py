"""Model files: where they lie, and how they are opened. Only the `models` image brings them."""

import json
import os
from pathlib import Path

from pydantic import Field

from cp_whisperx.errors import StageError
from cp_whisperx.ml.hub import FILL_AGAIN
from cp_whisperx.stage import StageSettings

_WAY_OUT = f"Run `{FILL_AGAIN}`: it puts what is missing or damaged back into the model cache."


class ModelSettings(StageSettings):
    """What every stage with a model lets the user set."""

    threads: int = Field(default=2, ge=1, le=64, description="Processor threads that a model of this stage may use.")


def model_path(relative: str) -> Path:
    """The path of a model file or folder below MODEL_CACHE; StageError where it is not there."""
    path = _cache_folder() / relative
    if not path.exists():
        raise StageError(f"The model {path} is missing (MODEL_CACHE={_cache_folder()}).", _WAY_OUT)
    return path


def model_version(relative: str) -> str:
    """The hashes of the packaged files of a model, for the key of a result; empty for a model from elsewhere."""
    try:
        packaged: dict[str, str] = json.loads((_cache_folder() / "packaged.json").read_text())
    except FileNotFoundError:
        return ""
    return " ".join(packaged[name] for name in sorted(packaged) if f"{name}/".startswith(f"{relative}/"))


def _cache_folder() -> Path:
    return Path(os.environ.get("MODEL_CACHE", "/models"))


def damaged_model(path: Path, error: Exception) -> StageError:
    """The error for a model file that is there and cannot be used."""
    return StageError(f"The model {path} cannot be opened: {error}.", _WAY_OUT)
