"""The parts of a stage: its settings, its context and its exceptions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic_settings import BaseSettings, SettingsConfigDict

from cp_whisperx.contract import Job, StageResult
from cp_whisperx.devices import Device
from cp_whisperx.errors import Skip, StageError

__all__ = ["Context", "Skip", "Stage", "StageError", "StageSettings"]


class StageSettings(BaseSettings):
    """Settings of one stage.

    A field `subtitle_max_lines` is the setting SUBTITLE_MAX_LINES: read from the environment, named so in errors and in
    the JSON schema. Declare every field with a description, and numbers with their bounds.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", alias_generator=str.upper, populate_by_name=True, env_ignore_empty=True
    )


S = TypeVar("S", bound=StageSettings)
R = TypeVar("R", bound=StageResult)
Model = TypeVar("Model", bound=StageResult)


def _no_progress(_fraction: float, _note: str) -> None:
    """No-op."""


def _ignore(_value: object) -> None:
    """No-op."""


@dataclass(frozen=True)
class Context(Generic[S]):
    """What a stage may use while it works on one job."""

    job: Job
    folder: Path
    """The job's folder."""
    film: Path
    """The incoming film; read-only."""
    settings: S
    output: Path
    """The stage's own, still empty folder. It becomes <job>/<stage>/ when the stage returns."""
    reader: Callable[[type[StageResult]], StageResult | None]
    report: Callable[[float, str], None] = _no_progress
    warn: Callable[[str], None] = _ignore
    """Adds a warning, one sentence, to the job: a smaller model or a fallback is used, and the work continues."""
    computes_on: Callable[[Device], None] = _ignore
    """Records the device that models use from here on; until then it is the CPU."""

    def read(self, model: type[Model]) -> Model:
        """The validated result of an earlier stage.

        Raises StageError if that stage has no result.
        """
        result = self.read_if_done(model)
        if result is None:
            raise StageError(
                f"The stage {model.stage} has no result, and this stage needs it.",
                f"See why with `cp-whisperx status {self.job.id}`, then `cp-whisperx resume {self.job.id}`.",
            )
        return result

    def read_if_done(self, model: type[Model]) -> Model | None:
        """The validated result of an earlier stage, or None if that stage was skipped or failed."""
        result = self.reader(model)
        if result is not None and not isinstance(result, model):
            message = f"the reader gave a {type(result).__name__} for {model.__name__}"
            raise TypeError(message)
        return result

    def path(self, relative: str) -> Path:
        """The absolute path of a file of this job; raises StageError if it leads out of the job's folder."""
        root = self.folder.resolve()
        path = (root / relative).resolve()
        if not path.is_relative_to(root):
            raise StageError(
                f"The path {relative!r} leads out of the job's folder.",
                f"Repeat the stage that wrote it: `cp-whisperx resume {self.job.id}`.",
            )
        return path

    def progress(self, fraction: float, note: str = "") -> None:
        """Reports the share of the work that is done, 0 to 1, with a short note. Cheap: call it often."""
        self.report(min(1.0, max(0.0, fraction)), note)


@dataclass(frozen=True)
class Stage(Generic[S, R]):
    """One step of the pipeline."""

    name: str
    settings: type[S]
    result: type[R]
    reads: tuple[type[StageResult], ...]
    """The results it uses. They are part of its key: when one changes, the stage runs again."""
    run: Callable[[Context[S]], R]
    """Does the work. It writes files to `context.output` and returns a result that names them as <stage>/<file>."""
    depends: Callable[[S], str] | None = None
    """Returns what else the result depends on, as part of the key, such as the hash of a model or a data folder."""
    load: Callable[[S], None] | None = None
    """Loads models before the worker becomes healthy."""
    never_on_gpu: str = ""
    """Why it runs on the CPU even if there is a GPU; empty for a stage that can use a GPU or has no models."""
