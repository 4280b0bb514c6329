"""The manifest of a job: reading it, changing it under a lock, and the state of the job."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from cp_whisperx.contract import Manifest, OutputFile, StageRecord
from cp_whisperx.files import locked, read_document, sha256_of, write_document
from cp_whisperx.stages import StageFacts, all_stages

JobState = Literal["waiting", "running", "done", "failed"]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the job in `folder`; raises StageError if it is missing or damaged."""
    way_out = "Submit the film with --again: the state of this job is lost."
    return read_document(folder / "manifest.json", Manifest, way_out)


def record_of(manifest: Manifest, stage: str) -> StageRecord:
    """The record of a stage; a pending one if it has none yet."""
    return manifest.stages.get(stage, StageRecord())


def change_record(folder: Path, stage: str, change: Callable[[StageRecord], StageRecord]) -> StageRecord:
    """Changes the record of one stage, safely with concurrent writers; returns the new record."""
    with locked(folder / ".manifest.lock"):
        manifest = read_manifest(folder)
        record = change(record_of(manifest, stage))
        stages = {**manifest.stages, stage: record}
        write_document(folder / "manifest.json", manifest.model_copy(update={"stages": stages}))
    return record


def stage_lock(folder: Path, stage: str) -> Path:
    """The lock file of a stage of a job; held while the stage runs."""
    return folder / f".{stage}.lock"


def ask_again(folder: Path, stage: str) -> None:
    """Makes a stage pending again with all its attempts; its result stays and is reused if it is still up to date.

    No-op for a running stage.
    """
    with locked(stage_lock(folder, stage), wait=False) as free:
        if free:
            change_record(
                folder,
                stage,
                lambda record: StageRecord(
                    key=record.key if record.outputs else None,
                    outputs=record.outputs,
                    inputs=record.inputs,
                    image=record.image,
                    started=record.started,
                    finished=record.finished,
                    seconds=record.seconds,
                    device=record.device,
                    warnings=record.warnings,
                ),
            )


def failed_stage(manifest: Manifest) -> tuple[StageFacts, StageRecord] | None:
    """The critical stage that stopped the job, with its record; None if there is none."""
    for facts in all_stages():
        record = record_of(manifest, facts.name)
        if facts.critical and record.status == "failed":
            return facts, record
    return None


def job_state(manifest: Manifest) -> JobState:
    """The state of the whole job."""
    statuses = [record_of(manifest, facts.name).status for facts in all_stages()]
    if failed_stage(manifest):
        return "failed"
    if all(status in ("done", "skipped", "failed") for status in statuses):
        return "done"
    return "waiting" if all(status == "pending" for status in statuses) else "running"


def describe_outputs(folder: Path, stage: str) -> tuple[OutputFile, ...]:
    """The files in `folder`, with their paths in the job's folder after the stage has finished."""
    return tuple(
        OutputFile(
            path=f"{stage}/{path.relative_to(folder).as_posix()}", size=path.stat().st_size, sha256=sha256_of(path)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def are_intact(folder: Path, outputs: tuple[OutputFile, ...]) -> bool:
    """Whether all files have the recorded content; False if `outputs` is empty."""
    return bool(outputs) and all(_is_intact(folder / output.path, output) for output in outputs)


def _is_intact(path: Path, output: OutputFile) -> bool:
    try:
        return path.stat().st_size == output.size and sha256_of(path) == output.sha256
    except OSError:
        return False


def digest_of(record: StageRecord) -> str:
    """One hash of all files of a stage's result; `skipped` if it has none."""
    if record.status != "done":
        return "skipped"
    text = "\n".join(f"{output.sha256} {output.path}" for output in record.outputs)
    return hashlib.sha256(text.encode()).hexdigest()
