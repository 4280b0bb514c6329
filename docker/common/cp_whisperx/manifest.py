"""The manifest of a job: read, changed under a lock, and what the state of the stages says of the whole job."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from cp_whisperx.contract import Manifest, OutputFile, StageRecord
from cp_whisperx.files import locked, read_document, sha256_of, write_document
from cp_whisperx.stages import StageFacts, all_stages

JobState = Literal["waiting", "running", "done", "failed"]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the job in `folder`; StageError where it is missing or damaged."""
    way_out = "Submit the film with --again: what this job has done is no longer known."
    return read_document(folder / "manifest.json", Manifest, way_out)


def record_of(manifest: Manifest, stage: str) -> StageRecord:
    """The record of a stage; a pending one where it has none yet."""
    return manifest.stages.get(stage, StageRecord())


def change_record(folder: Path, stage: str, change: Callable[[StageRecord], StageRecord]) -> StageRecord:
    """Changes the record of one stage and leaves the rest as it is, also while others write; returns the new record."""
    with locked(folder / ".manifest.lock"):
        manifest = read_manifest(folder)
        record = change(record_of(manifest, stage))
        stages = {**manifest.stages, stage: record}
        write_document(folder / "manifest.json", manifest.model_copy(update={"stages": stages}))
    return record


def stage_lock(folder: Path, stage: str) -> Path:
    """The lock file that whoever works on this stage of this job holds."""
    return folder / f".{stage}.lock"


def ask_again(folder: Path, stage: str) -> None:
    """Makes a stage pending again with all its tries; its result stays, for the case that it is still the right one.

    A stage that is being worked on is left alone.
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
    """The critical stage that stopped the job, with its record; None where none did."""
    for facts in all_stages():
        record = record_of(manifest, facts.name)
        if facts.critical and record.status == "failed":
            return facts, record
    return None


def job_state(manifest: Manifest) -> JobState:
    """What the job as a whole does."""
    statuses = [record_of(manifest, facts.name).status for facts in all_stages()]
    if failed_stage(manifest):
        return "failed"
    if all(status in ("done", "skipped", "failed") for status in statuses):
        return "done"
    return "waiting" if all(status == "pending" for status in statuses) else "running"


def describe_outputs(folder: Path, stage: str) -> tuple[OutputFile, ...]:
    """The files below `folder`, as they will stand in the job's folder of that stage."""
    return tuple(
        OutputFile(
            path=f"{stage}/{path.relative_to(folder).as_posix()}", size=path.stat().st_size, sha256=sha256_of(path)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def are_intact(folder: Path, outputs: tuple[OutputFile, ...]) -> bool:
    """Whether all files are there with the content that was recorded; False for no files."""
    return bool(outputs) and all(_is_intact(folder / output.path, output) for output in outputs)


def _is_intact(path: Path, output: OutputFile) -> bool:
    try:
        return path.stat().st_size == output.size and sha256_of(path) == output.sha256
    except OSError:
        return False


def digest_of(record: StageRecord) -> str:
    """One hash for all that a stage wrote; `skipped` where it wrote nothing that stands."""
    if record.status != "done":
        return "skipped"
    text = "\n".join(f"{output.sha256} {output.path}" for output in record.outputs)
    return hashlib.sha256(text.encode()).hexdigest()
