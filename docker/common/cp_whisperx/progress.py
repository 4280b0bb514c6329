"""The output for a job: its state as text or JSON, and its progress while it runs."""

import sys
import time
from collections.abc import Callable
from typing import Any, Final

from cp_whisperx.contract import Manifest, MuxResult, StageRecord, SubtitleResult
from cp_whisperx.errors import StageError
from cp_whisperx.files import read_document
from cp_whisperx.jobs import StoredJob
from cp_whisperx.manifest import failed_stage, job_state, read_manifest, record_of
from cp_whisperx.stages import all_stages

_POLL_SECONDS: Final = 0.5
_SECONDS_BEFORE_HINT: Final = 30.0
_SETTLED: Final = ("done", "skipped", "failed")


def products(stored: StoredJob, manifest: Manifest) -> dict[str, str]:
    """The absolute paths of the subtitles and the finished film, if they exist yet."""
    found: dict[str, str] = {}
    if record_of(manifest, SubtitleResult.stage).status == "done":
        subtitles = read_document(stored.folder / SubtitleResult.stage / "result.json", SubtitleResult)
        found["subtitles"] = str(stored.folder / subtitles.subtitles)
    if record_of(manifest, MuxResult.stage).status == "done":
        film = read_document(stored.folder / MuxResult.stage / "result.json", MuxResult)
        found["film"] = str(stored.folder / film.film)
    return found


def as_json(stored: StoredJob) -> dict[str, Any]:
    """The state of a job for programs."""
    manifest = read_manifest(stored.folder)
    return {
        "id": stored.job.id,
        "folder": str(stored.folder),
        "source": stored.job.film,
        "state": job_state(manifest),
        "products": products(stored, manifest),
        "stages": {
            facts.name: record_of(manifest, facts.name).model_dump(mode="json", exclude={"inputs", "outputs"})
            for facts in all_stages()
        },
    }


def stage_line(name: str, record: StageRecord) -> str:
    """One line with the state of one stage."""
    took = f"{record.seconds:8.1f} s" if record.status == "done" and record.seconds is not None else " " * 10
    percent = f"{record.progress:.0%}" if record.status == "running" and record.progress is not None else None
    device = f"on {record.device}" if record.status in ("running", "done") and record.device else None
    details = " ".join(part for part in (percent, device, record.note, record.reason, record.way_out) if part)
    return f"{name:<24} {record.status:<8}{took}  {details}".rstrip()


def stage_lines(name: str, record: StageRecord) -> list[str]:
    """One line with the state of one stage, and one for each of its warnings."""
    return [stage_line(name, record), *(f"{'':<24} warning: {text}" for text in record.warnings)]


def summary(stored: StoredJob, manifest: Manifest) -> list[str]:
    """The outcome of the job: why it stopped and how to fix it, or the paths of its products."""
    failure = failed_stage(manifest)
    if failure:
        facts, record = failure
        return [f"Job {stored.job.id} stopped at {facts.name}: {record.reason} {record.way_out or ''}".rstrip()]
    return [f"{kind + ':':<11}{path}" for kind, path in products(stored, manifest).items()]


def follow(stored: StoredJob, write: Callable[[str], None]) -> bool:
    """Prints each stage as it ends, until the job ends; returns True if the job is done, False if it failed.

    On a terminal, the line of the running stage is redrawn.
    """
    screen = _Screen(write)
    shown: set[str] = set()
    quiet_since = time.monotonic()
    while True:
        manifest = read_manifest(stored.folder)
        state = job_state(manifest)
        for facts in all_stages():
            record = record_of(manifest, facts.name)
            if facts.name not in shown and record.status in _SETTLED:
                shown.add(facts.name)
                quiet_since = time.monotonic()
                for line in stage_lines(facts.name, record):
                    screen.line(line)
        if state in ("done", "failed"):
            return state == "done"
        quiet_since = _show_current(screen, manifest, quiet_since)
        time.sleep(_POLL_SECONDS)


def _show_current(screen: "_Screen", manifest: Manifest, quiet_since: float) -> float:
    """Shows the first stage that has not ended; returns the time of the last change."""
    for facts in all_stages():
        record = record_of(manifest, facts.name)
        if record.status == "running":
            screen.draft(stage_line(facts.name, record))
            return time.monotonic()
        if record.status == "pending":
            if time.monotonic() - quiet_since < _SECONDS_BEFORE_HINT:
                return quiet_since
            screen.line(f"{facts.name:<24} is waiting for its worker; check that its container is healthy")
            return time.monotonic()
    return quiet_since


class _Screen:
    """Writes lines to a terminal or a file. A draft appears on a terminal only, and the next line replaces it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._live = sys.stdout.isatty()

    def line(self, text: str) -> None:
        self._write(f"\r\x1b[K{text}\n" if self._live else f"{text}\n")

    def draft(self, text: str) -> None:
        if self._live:
            self._write(f"\r\x1b[K{text[:100]}")


def result_or_error(stored: StoredJob) -> list[str]:
    """The closing lines; raises StageError if the job stopped."""
    manifest = read_manifest(stored.folder)
    lines = summary(stored, manifest)
    if failed_stage(manifest):
        raise StageError(lines[0], "")
    return lines
