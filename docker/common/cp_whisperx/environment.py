"""Settings of the container: folders, queue, image, device and log."""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Json, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cp_whisperx.errors import StageError, one_line

S = TypeVar("S", bound=BaseSettings)


def load_settings(model: type[S]) -> S:
    """Settings from the environment; raises a StageError that names each invalid one."""
    try:
        return model()
    except ValidationError as error:
        raise StageError(
            f"Invalid setting: {one_line(error)}.", "Correct it in the stack's settings and deploy again."
        ) from error


class Environment(BaseSettings):
    """Settings that all stages share; each is an environment variable of the same name in upper case."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", alias_generator=str.upper, populate_by_name=True, env_ignore_empty=True
    )

    films_in: Path = Path("/films/in")
    films_out: Path = Path("/films/out")
    redis_url: str = "redis://queue:6379/0"
    cp_whisperx_image: str = "no-image"
    """The image of this container as repository@digest: part of every key."""
    health_file: Path = Path("/tmp/healthy")  # noqa: S108 - the container's own tmpfs
    device: Literal["auto", "cuda", "cpu"] | None = None
    """The device for this stage's models; None if the stage has no model that could use a GPU."""
    allow_cpu: bool = True
    """Whether to use the CPU if no GPU is usable or its memory is full."""
    gpu_services: Json[dict[str, PositiveInt]] | None = None
    """The services that share the GPUs with the MiB that each may use, such as {"asr": 6000}; None: not configured."""
    service_name: str = ""
    """The name of this container's service in `gpu_services`."""
    device_file: Path = Path("/tmp/device")  # noqa: S108 - as above
    """The file in which the worker records its device for the health check."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @property
    def is_meant_for_gpu(self) -> bool:
        """Whether a GPU is expected, so that running on CPU deserves a warning."""
        return self.device == "cuda" or (self.device == "auto" and self.gpu_services is not None)
