"""Models from a hub: which ones the prefetch has downloaded into the model cache, and their paths.

MODELS_SOURCE=hub in a worker's environment turns them on. The prefetch (docker/prefetch) lists the complete commit of
each repository in MODEL_CACHE/hub.json; stages open its files by path, so that no library contacts a hub. Works without
numpy, because the prefetch uses this module too.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, NonNegativeInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from cp_whisperx.contract import Document, Part
from cp_whisperx.environment import load_settings
from cp_whisperx.errors import StageError
from cp_whisperx.files import read_document

FILL_AGAIN: Final = "make models STACK=..."
"""Refills the model cache. `make up` does so only if an input has changed: Pulumi does not look into the cache."""
_WAY_OUT: Final = (
    f"Run `{FILL_AGAIN}`: it refills the model cache, except for `models.leaveOut`; "
    "or choose `models.source: packaged`."
)


class HubEnvironment(BaseSettings):
    """The source and place of models; each field is an environment variable of the same name in upper case."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", alias_generator=str.upper, populate_by_name=True, env_ignore_empty=True
    )

    models_source: Literal["packaged", "hub"] = "packaged"
    model_cache: Path = Path("/models")
    hf_hub_cache: Path = Path("/models/huggingface/hub")


class HubModel(Part):
    """A repository with one complete commit in the cache."""

    revision: str
    """The revision in the list of models: a commit, or a branch that was resolved once."""
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    patterns: tuple[str, ...] = ()
    """Patterns of the files to download. Default: all files."""
    files: dict[str, NonNegativeInt]
    """Bytes of each file."""


class AbsentModel(Part):
    """A repository that the prefetch left out, because the stages have a fallback."""

    reason: str
    way_out: str


class HubModels(Document):
    """hub.json: the models that the prefetch has downloaded. Written atomically, after the files that it lists."""

    models: dict[str, HubModel] = Field(default_factory=dict)
    absent: dict[str, AbsentModel] = Field(default_factory=dict)


class ModelAbsent(StageError):  # noqa: N818 - reads as what happened
    """A hub model is not in the cache; a stage with a fallback catches this."""


def from_hub() -> bool:
    """Whether to use hub models where possible."""
    return load_settings(HubEnvironment).models_source == "hub"


def torch_is_here() -> bool:
    """Whether this image, or the host's environment in it, has torch. Imports nothing."""
    return find_spec("torch") is not None


def uses_torch_models() -> bool:
    """Whether to use hub models that need torch: images without torch use the packaged models."""
    return from_hub() and torch_is_here()


def hub_list(cache: Path) -> Path:
    """The path of hub.json in a model cache."""
    return cache / "hub.json"


def read_hub_models(cache: Path) -> HubModels:
    """The content of hub.json, empty if there is no such file; raises StageError if it is damaged."""
    path = hub_list(cache)
    return read_document(path, HubModels, f"Remove {path}, then run `{FILL_AGAIN}`.") if path.exists() else HubModels()


def repository_folder(hub_cache: Path, repository: str) -> Path:
    """The folder of a repository in huggingface_hub's cache."""
    return hub_cache / f"models--{repository.replace('/', '--')}"


def snapshot_folder(hub_cache: Path, repository: str, commit: str) -> Path:
    """The folder of a commit in huggingface_hub's cache."""
    return repository_folder(hub_cache, repository) / "snapshots" / commit


def lacking_files(folder: Path, files: Mapping[str, int]) -> list[str]:
    """The names of the files that are missing in a snapshot's folder or have another size; `files` has the bytes."""
    return [name for name, size in files.items() if not _has_size(folder / name, size)]


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def snapshot(repository: str) -> Path:
    """The folder with the files of a hub model.

    Raises ModelAbsent, with the reason, if the prefetch has not downloaded it; StageError if files of it are missing.
    """
    environment = load_settings(HubEnvironment)
    listed = read_hub_models(environment.model_cache)
    found = listed.models.get(repository)
    if found is None:
        raise _absent(repository, environment, listed.absent.get(repository))
    folder = snapshot_folder(environment.hf_hub_cache, repository, found.commit)
    if lacking := lacking_files(folder, found.files):
        raise StageError(
            f"The model {repository} is damaged in the model cache: {', '.join(lacking)} in {folder} "
            f"(HF_HUB_CACHE={environment.hf_hub_cache}).",
            _WAY_OUT,
        )
    return folder


def _absent(repository: str, environment: HubEnvironment, left_out: AbsentModel | None) -> ModelAbsent:
    missing = f"The model {repository} is not in the model cache (HF_HUB_CACHE={environment.hf_hub_cache})"
    if left_out is None:
        return ModelAbsent(f"{missing}, though MODELS_SOURCE={environment.models_source}.", _WAY_OUT)
    return ModelAbsent(f"{missing}: {left_out.reason}", left_out.way_out)


def hub_version(*repositories: str) -> str:
    """The commits of hub models, for the key of a result; `absent` for a missing one."""
    models = read_hub_models(load_settings(HubEnvironment).model_cache).models
    found = (models[name].commit if name in models else "absent" for name in repositories)
    return " ".join(f"{name}@{commit}" for name, commit in zip(repositories, found, strict=True))


def whisper_repository(name: str) -> str:
    """The repository of a Whisper model in faster-whisper's format: large-v3, medium, base."""
    return f"Systran/faster-whisper-{name}"


def whisper_snapshot(name: str) -> Path:
    """The folder of a Whisper model for `faster_whisper.WhisperModel`; raises ModelAbsent if it is not in the cache."""
    return snapshot(whisper_repository(name))
