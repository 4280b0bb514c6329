"""The Whisper models in the cache: packaged ones in whisper/, and those that the prefetch downloaded from a hub."""

from pathlib import Path

from cp_whisperx.environment import load_settings
from cp_whisperx.ml.hub import (
    HubEnvironment,
    from_hub,
    hub_version,
    read_hub_models,
    whisper_repository,
    whisper_snapshot,
)
from cp_whisperx.ml.models import model_path, model_version
from cp_whisperx.whisper_choice import SIZES

_WEIGHTS = "model.bin"


def available_models() -> frozenset[str]:
    """The known sizes that are in the cache."""
    return frozenset(size for size in SIZES if _is_from_hub(size) or _is_packaged(size))


def model_folder(name: str) -> Path:
    """The folder of a model: the hub's if hub models are used, else the packaged one.

    Raises StageError if there is neither.
    """
    if _is_from_hub(name) or (from_hub() and not _is_packaged(name)):
        return whisper_snapshot(name)
    model_path(f"whisper/{name}/{_WEIGHTS}")
    return model_path(f"whisper/{name}")


def weights_name(name: str) -> str:
    """The model's name in results: the name of a packaged model, or the repository and the commit of a hub model."""
    return hub_version(whisper_repository(name)) if _is_from_hub(name) else name


def weights_version(name: str) -> str:
    """The name and the version of a model, for the key of a result."""
    version = hub_version(whisper_repository(name)) if _is_from_hub(name) else model_version(f"whisper/{name}")
    return f"{name} {version}".rstrip()


def _is_from_hub(name: str) -> bool:
    if not from_hub():
        return False
    return whisper_repository(name) in read_hub_models(load_settings(HubEnvironment).model_cache).models


def _is_packaged(name: str) -> bool:
    return (load_settings(HubEnvironment).model_cache / "whisper" / name / _WEIGHTS).is_file()
