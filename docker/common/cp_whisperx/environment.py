"""Where this program stands: folders, queue, image and log, as the container tells it."""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Json, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cp_whisperx.errors import StageError, one_line

S = TypeVar("S", bound=BaseSettings)


def load_settings(model: type[S]) -> S:
    """Settings from the environment; raises a StageError that names each one that is wrong."""
    try:
        return model()
    except ValidationError as error:
        raise StageError(
            f"A setting is wrong: {one_line(error)}.", "Correct it in the stack's settings and deploy again."
        ) from error


class Environment(BaseSettings):
    """Settings of the surroundings; each is an environment variable of the same name in upper case."""

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
    """What the models of this stage are to compute on; None where the stage has none that could use a GPU."""
    allow_cpu: bool = True
    """Whether the processor may take the place of a GPU that is not there or is full."""
    gpu_services: Json[dict[str, PositiveInt]] | None = None
    """The services that share the GPUs, this one among them, with the MiB that each may use; None: none was named."""
    service_name: str = ""
    """This container's name among them."""
    device_file: Path = Path("/tmp/device")  # noqa: S108 - as above
    """Where the worker notes its device for the health check."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @property
    def is_meant_for_gpu(self) -> bool:
        """Whether somebody counts on a GPU for it: then it is worth a warning where it has none."""
        return self.device == "cuda" or (self.device == "auto" and self.gpu_services is not None)
