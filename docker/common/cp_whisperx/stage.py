"""What a stage is made of: its settings, its context, and the ways in which it ends."""

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
    """Progress that nobody watches."""


def _unheard(_words: object) -> None:
    """Words that nobody keeps."""


@dataclass(frozen=True)
class Context(Generic[S]):
    """What a stage may use while it works on one job."""

    job: Job
    folder: Path
    """The job's folder."""
    film: Path
    """The film as it came in; read only."""
    settings: S
    output: Path
    """The stage's own, still empty folder. It becomes <job>/<stage>/ when the stage returns."""
    reader: Callable[[type[StageResult]], StageResult | None]
    report: Callable[[float, str], None] = _no_progress
    warn: Callable[[str], None] = _unheard
    """Tells the user in a sentence what goes other than asked while the work goes on: a smaller model, a stand-in."""
    computes_on: Callable[[Device], None] = _unheard
    """Notes the device that models use from here on; until then it is the processor."""

    def read(self, model: type[Model]) -> Model:
        """The result of an earlier stage, checked.

        Raises StageError where that stage has no result.
        """
        result = self.read_if_done(model)
        if result is None:
            raise StageError(
                f"The stage {model.stage} has no result, and this stage cannot do without it.",
                f"See why with `cp-whisperx status {self.job.id}`, then `cp-whisperx resume {self.job.id}`.",
            )
        return result

    def read_if_done(self, model: type[Model]) -> Model | None:
        """The result of an earlier stage, or None where that stage was skipped or failed."""
        result = self.reader(model)
        if result is not None and not isinstance(result, model):
            message = f"the reader gave a {type(result).__name__} for {model.__name__}"
            raise TypeError(message)
        return result

    def path(self, relative: str) -> Path:
        """The absolute path of a file of this job; raises StageError for a path that leaves the job's folder."""
        root = self.folder.resolve()
        path = (root / relative).resolve()
        if not path.is_relative_to(root):
            raise StageError(
                f"The path {relative!r} leaves the job's folder.",
                f"Make the job anew: `cp-whisperx resume {self.job.id}`.",
            )
        return path

    def progress(self, fraction: float, note: str = "") -> None:
        """Says how much of the work is done, 0 to 1, with a short note. Cheap: call it as often as it suits."""
        self.report(min(1.0, max(0.0, fraction)), note)


@dataclass(frozen=True)
class Stage(Generic[S, R]):
    """One step of the pipeline."""

    name: str
    settings: type[S]
    result: type[R]
    reads: tuple[type[StageResult], ...]
    """The results it uses. They are part of its key: when one changes, the stage is done again."""
    run: Callable[[Context[S]], R]
    """Does the work. Files go to `context.output`; the result that it returns names them as <stage>/<file>."""
    depends: Callable[[S], str] | None = None
    """What else the result depends on, as a text that goes into the key: the hash of a model, of a data folder."""
    load: Callable[[S], None] | None = None
    """Loads models before the worker says that it is healthy."""
    never_on_gpu: str = ""
    """Why it computes on the processor even where there is a GPU; empty for a stage that uses one, or has no models."""
