"""Runs one stage of one job: only if something changed, with limited attempts, and atomically."""

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from cp_whisperx.backoff import means_broken_gpu
from cp_whisperx.contract import Job, Manifest, StageRecord, StageResult
from cp_whisperx.devices import Device, device_in_use
from cp_whisperx.environment import Environment, load_settings
from cp_whisperx.errors import Skip, StageError, disk_error
from cp_whisperx.files import locked, read_document, sync_folder, write_document
from cp_whisperx.manifest import (
    are_intact,
    change_record,
    describe_outputs,
    digest_of,
    read_manifest,
    record_of,
    stage_lock,
)
from cp_whisperx.ml.torch_memory import give_memory_back
from cp_whisperx.stage import Context, Stage, StageSettings
from cp_whisperx.stages import StageFacts, stage_facts

Outcome = Literal["done", "unchanged", "skipped", "failed", "again", "busy"]
"""`again`: the attempt failed and may be retried. `busy`: another process is running this stage of this job."""

AnyStage = Stage[Any, Any]

_log: Final = logging.getLogger("cp_whisperx.runner")
_SECONDS_BETWEEN_REPORTS: Final = 1.0
_SECONDS_BETWEEN_LOG_LINES: Final = 10.0


def run_stage(
    stage: AnyStage,
    folder: Path,
    *,
    force: bool = False,
    environment: Environment | None = None,
    progressed: Callable[[], None] = lambda: None,
    gpu_failed: Callable[[str], None] = lambda _text: None,
) -> Outcome:
    """Brings one stage of the job in `folder` up to date and returns the outcome; the manifest has the details.

    `force` runs the stage even if nothing changed. `progressed` is called whenever the progress changes. `gpu_failed`
    gets the library's message when the GPU fails; the process should not use it any more. Raises StageError if the job
    cannot be read, and OSError if the manifest cannot be written.
    """
    environment = environment or load_settings(Environment)
    job = read_document(folder / "job.json", Job)
    with locked(stage_lock(folder, stage.name), wait=False) as free:
        if not free:
            return "busy"
        _remove_leftovers(folder, stage.name)
        return _Attempt(stage, stage_facts(stage.name), folder, job, environment, progressed, gpu_failed).run(
            force=force
        )


def stage_key(stage: AnyStage, job: Job, settings: StageSettings, inputs: dict[str, str], image: str) -> str:
    """One hash of all that the result depends on: the film, the earlier stages' results, the settings, the image."""
    parts = {
        "stage": stage.name,
        "film": job.identity.sha256,
        "title": job.title,
        "year": job.year,
        "inputs": inputs,
        "settings": settings.model_dump(mode="json"),
        "image": image,
        "depends": stage.depends(settings) if stage.depends else "",
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _Attempt:
    """One attempt at a stage, under its lock."""

    stage: AnyStage
    facts: StageFacts
    folder: Path
    job: Job
    environment: Environment
    progressed: Callable[[], None]
    gpu_failed: Callable[[str], None]

    def run(self, *, force: bool) -> Outcome:
        manifest = read_manifest(self.folder)
        record = record_of(manifest, self.stage.name)
        inputs = self._inputs(manifest)
        try:
            settings = load_settings(self.stage.settings)
            device = device_in_use() if self.environment.device and not self.stage.never_on_gpu else None
            key = stage_key(self.stage, self.job, settings, inputs, self.environment.cp_whisperx_image)
        except StageError as error:
            return self._fail(error)
        if not force:
            settled = self._settled(record, key)
            if settled:
                return settled
        if record.attempts >= self.facts.tries:
            return self._fail(self._no_tries_left(record))
        self._begin(key, inputs, device)
        return self._work(settings, key, device)

    def _inputs(self, manifest: Manifest) -> dict[str, str]:
        return {model.stage: digest_of(record_of(manifest, model.stage)) for model in self.stage.reads}

    def _settled(self, record: StageRecord, key: str) -> Outcome | None:
        """The outcome that the stage already has for this key; None if it must run."""
        if record.key != key or record.status == "running":
            return None
        if record.status in ("failed", "skipped"):
            return record.status
        if not are_intact(self.folder, record.outputs):
            return None
        if record.status != "done":
            self._change(lambda now: now.model_copy(update={"status": "done"}))
        _log.info("%s: nothing changed", self._title)
        return "unchanged"

    def _no_tries_left(self, record: StageRecord) -> StageError:
        tries = "once" if record.attempts == 1 else f"{record.attempts} times"
        last = record.reason or "The worker was killed each time: the host may be short of memory."
        return StageError(
            f"The stage {self.stage.name} was started {tries} and never finished. {last}",
            f"See the worker's log, then `cp-whisperx resume {self.job.id}`.",
        )

    def _begin(self, key: str, inputs: dict[str, str], device: Device | None) -> None:
        record = self._change(
            lambda now: StageRecord(
                status="running",
                started=_now(),
                attempts=now.attempts + 1,
                key=key,
                image=self.environment.cp_whisperx_image,
                inputs=inputs,
                reason=now.reason if now.attempts else None,
                device="cpu" if device or self.stage.never_on_gpu else None,  # until it calls computes_on
                warnings=self._missed(device),
            )
        )
        _log.info("%s: started, attempt %d of %d", self._title, record.attempts, self.facts.tries)

    def _missed(self, device: Device | None) -> tuple[str, ...]:
        """A warning if the stage runs on CPU although a GPU was expected."""
        if device is None or not device.reason or not self.environment.is_meant_for_gpu:
            return ()
        return (f"It runs on CPU although a GPU was expected (DEVICE={self.environment.device}): {device.reason}.",)

    def _work(self, settings: StageSettings, key: str, device: Device | None) -> Outcome:
        began = time.monotonic()
        try:
            with self._partial_folder() as partial:
                result = self.stage.run(self._context(settings, partial))
                return self._keep(result, partial, key, time.monotonic() - began)
        except Skip as skip:
            return self._end("skipped", skip.reason, None)
        except StageError as error:
            self._note_gpu_failure(device, error)
            return self._fail(error)
        except OSError as error:
            permanent = disk_error(error)
            return self._fail(permanent) if permanent else self._retry(error)
        except Exception as error:  # noqa: BLE001 - a library's error ends this attempt, not the worker
            self._note_gpu_failure(device, error)
            return self._retry(error)
        finally:
            # A broken GPU fails here too; the attempt's own error has already been handled.
            with contextlib.suppress(RuntimeError):
                give_memory_back()

    def _note_gpu_failure(self, device: Device | None, error: Exception) -> None:
        if device is not None and device.kind == "cuda" and means_broken_gpu(error):
            self.gpu_failed(str(error).partition("\n")[0])

    @contextlib.contextmanager
    def _partial_folder(self) -> Iterator[Path]:
        """A folder for the work. It is removed before the manifest is written, which may need the disk space."""
        partial = Path(tempfile.mkdtemp(prefix=f".{self.stage.name}.partial-", dir=self.folder))
        try:
            partial.chmod(0o755)
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _context(self, settings: StageSettings, partial: Path) -> Context[Any]:
        return Context(
            job=self.job,
            folder=self.folder,
            film=self.environment.films_in / self.job.film,
            settings=settings,
            output=partial,
            reader=self._read_result,
            report=self._reporter(),
            warn=self._warn,
            computes_on=self._note_device,
        )

    def _warn(self, text: str) -> None:
        _log.warning("%s: %s", self._title, text)
        self._change(lambda now: now.model_copy(update={"warnings": (*now.warnings, text)}))

    def _note_device(self, device: Device) -> None:
        self._change(lambda now: now.model_copy(update={"device": device.title}))

    def _read_result(self, model: type[StageResult]) -> StageResult | None:
        if model not in self.stage.reads:
            message = f"the stage {self.stage.name} reads {model.__name__} and does not declare it"
            raise TypeError(message)
        if record_of(read_manifest(self.folder), model.stage).status != "done":
            return None
        return read_document(self.folder / model.stage / "result.json", model)

    def _reporter(self) -> Callable[[float, str], None]:
        reported = logged = time.monotonic()
        reached = 0.0

        def report(fraction: float, note: str) -> None:
            nonlocal reported, logged, reached
            now = time.monotonic()
            if fraction != reached:
                reached = fraction
                self.progressed()
            if now - reported >= _SECONDS_BETWEEN_REPORTS:
                reported = now
                self._change(lambda record: record.model_copy(update={"progress": fraction, "note": note or None}))
            if now - logged >= _SECONDS_BETWEEN_LOG_LINES:
                logged = now
                _log.info("%s: %.0f %% %s", self._title, fraction * 100, note)

        return report

    def _keep(self, result: StageResult, partial: Path, key: str, seconds: float) -> Outcome:
        """Replaces the old result folder with the finished one, then records it in the manifest."""
        write_document(partial / "result.json", result)
        outputs = describe_outputs(partial, self.stage.name)
        home = self.folder / self.stage.name
        if home.exists():
            home.rename(self.folder / f".{self.stage.name}.old-{partial.name[-8:]}")
        partial.rename(home)
        sync_folder(self.folder)
        self._change(
            lambda now: now.model_copy(
                update={
                    "status": "done",
                    "finished": _now(),
                    "seconds": round(seconds, 3),
                    "key": key,
                    "outputs": outputs,
                    "reason": None,
                    "progress": None,
                    "note": None,
                }
            )
        )
        _remove_leftovers(self.folder, self.stage.name)
        _log.info("%s: done in %.1f s", self._title, seconds)
        return "done"

    def _retry(self, error: Exception) -> Outcome:
        """Handles a failure that may be temporary: the stage stays pending while it has attempts left."""
        _log.error("%s: %s: %s", self._title, type(error).__name__, error, exc_info=error)
        reason = f"{type(error).__name__}: {error}"
        record = self._change(lambda now: now.model_copy(update={"status": "pending", "key": None, "reason": reason}))
        return "again" if record.attempts < self.facts.tries else self._fail(self._no_tries_left(record))

    def _fail(self, error: StageError) -> Outcome:
        return self._end("failed", error.reason, error.way_out)

    def _end(self, status: Literal["skipped", "failed"], reason: str, way_out: str | None) -> Outcome:
        """Ends the stage without a result."""
        update = {"status": status, "finished": _now(), "reason": reason, "way_out": way_out, "outputs": ()}
        self._change(lambda now: now.model_copy(update={**update, "progress": None, "note": None}))
        level = logging.ERROR if status == "failed" and self.facts.critical else logging.INFO
        _log.log(level, "%s: %s: %s %s", self._title, status, reason, way_out or "")
        return status

    def _change(self, change: Callable[[StageRecord], StageRecord]) -> StageRecord:
        return change_record(self.folder, self.stage.name, change)

    @property
    def _title(self) -> str:
        return f"{self.stage.name} of {self.job.id}"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _remove_leftovers(folder: Path, stage: str) -> None:
    """Removes what a killed attempt left behind; the caller holds the stage's lock."""
    for pattern in (f".{stage}.partial-*", f".{stage}.old-*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)
