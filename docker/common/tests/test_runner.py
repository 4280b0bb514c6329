"""When a stage is done, done again, or not, and what stands afterwards."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import Field

from cp_whisperx import runner
from cp_whisperx.contract import (
    Manifest,
    SileroVadResult,
    StageRecord,
    StageResult,
    SubtitleResult,
)
from cp_whisperx.devices import Device
from cp_whisperx.environment import Environment
from cp_whisperx.files import locked, write_document
from cp_whisperx.manifest import ask_again, read_manifest, record_of, stage_lock
from cp_whisperx.progress import stage_lines
from cp_whisperx.runner import Outcome, run_stage
from cp_whisperx.stage import Context, Skip, Stage, StageError, StageSettings
from cp_whisperx_testing import add_result, make_job


class Settings(StageSettings):
    """One setting."""

    fake_number: int = Field(default=1, ge=0, le=9, description="A number.")


VAD = SileroVadResult(segments=(), speech_seconds=1)


class Runs:
    """A stage that counts its runs and does in each what the test says."""

    def __init__(self, folder: Path, environment: Environment) -> None:
        self.folder = folder
        self.environment = environment
        self.count = 0
        self.act: Callable[[Context[Settings]], None] = lambda _context: None
        self.stage = Stage(
            name="subtitle-gen", settings=Settings, result=SubtitleResult, reads=(SileroVadResult,), run=self._run
        )

    def _run(self, context: Context[Settings]) -> SubtitleResult:
        self.count += 1
        context.read(SileroVadResult)
        (context.output / "film.srt").write_text("x")
        self.act(context)
        return SubtitleResult(subtitles="subtitle-gen/film.srt", cues=1, language="eng", speakers=1)

    def again(self, *, force: bool = False) -> Outcome:
        """Runs the stage as the worker would."""
        return run_stage(self.stage, self.folder, force=force, environment=self.environment)

    @property
    def record(self) -> StageRecord:
        """What the manifest says of it."""
        return record_of(read_manifest(self.folder), "subtitle-gen")

    def change_record(self, **changes: object) -> None:
        """Puts something else into the manifest."""
        manifest = read_manifest(self.folder)
        changed = self.record.model_copy(update=changes)
        write_document(self.folder / "manifest.json", Manifest(stages={**manifest.stages, "subtitle-gen": changed}))


@pytest.fixture
def runs(tmp_path: Path, places: Environment) -> Runs:
    folder = make_job(tmp_path / "job")
    add_result(folder, VAD)
    return Runs(folder, places)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if "partial" in path.name or ".old-" in path.name]


def test_the_same_work_is_done_once(runs: Runs) -> None:
    assert [runs.again(), runs.again(), runs.again()] == ["done", "unchanged", "unchanged"]
    assert runs.count == 1
    assert [output.path for output in runs.record.outputs] == ["subtitle-gen/film.srt", "subtitle-gen/result.json"]
    assert (runs.record.attempts, runs.record.image) == (1, "registry/image@sha256:1")


def test_force_does_it_anyway(runs: Runs) -> None:
    assert [runs.again(), runs.again(force=True)] == ["done", "done"]
    assert leftovers(runs.folder) == []


def test_a_new_setting_image_input_or_model_does_it_again(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.again()
    monkeypatch.setenv("FAKE_NUMBER", "2")
    assert [runs.again(), runs.again()] == ["done", "unchanged"]
    runs.environment = runs.environment.model_copy(update={"cp_whisperx_image": "registry/image@sha256:2"})
    assert [runs.again(), runs.again()] == ["done", "unchanged"]
    add_result(runs.folder, VAD.model_copy(update={"speech_seconds": 2.0}))
    ask_again(runs.folder, "subtitle-gen")
    assert [runs.again(), runs.again()] == ["done", "unchanged"]
    runs.stage = replace(runs.stage, depends=lambda _settings: "another model")
    ask_again(runs.folder, "subtitle-gen")
    assert [runs.again(), runs.again()] == ["done", "unchanged"]


@pytest.mark.parametrize("damage", ["remove", "change", "empty"])
def test_a_damaged_result_is_made_again(runs: Runs, damage: str) -> None:
    runs.again()
    subtitles = runs.folder / "subtitle-gen" / "film.srt"
    subtitles.unlink() if damage == "remove" else subtitles.write_text("y" if damage == "change" else "")
    assert runs.again() == "done"
    assert subtitles.read_text() == "x"


def test_a_resume_keeps_a_result_that_still_stands(runs: Runs) -> None:
    runs.again()
    ask_again(runs.folder, "subtitle-gen")
    assert runs.record.status == "pending"
    assert runs.again() == "unchanged"
    assert (runs.record.status, runs.count) == ("done", 1)


def failing(error: Exception) -> Callable[[Context[Settings]], None]:
    def act(_context: Context[Settings]) -> None:
        raise error

    return act


def test_a_failure_that_may_pass_is_tried_again_until_the_tries_are_used_up(runs: Runs) -> None:
    runs.act = failing(RuntimeError("out of luck"))
    assert [runs.again(), runs.again(), runs.again(), runs.again()] == ["again", "again", "failed", "failed"]
    assert runs.count == 3
    assert "started 3 times" in (runs.record.reason or "")
    assert "RuntimeError: out of luck" in (runs.record.reason or "")
    assert leftovers(runs.folder) == []
    runs.act = lambda _context: None
    ask_again(runs.folder, "subtitle-gen")
    assert runs.again() == "done"
    assert runs.record.reason is None


def test_a_failure_that_will_not_pass_is_final_until_somebody_asks(runs: Runs) -> None:
    runs.act = failing(StageError("It is no film.", "Take another."))
    assert [runs.again(), runs.again()] == ["failed", "failed"]
    assert (runs.count, runs.record.reason, runs.record.way_out) == (1, "It is no film.", "Take another.")
    ask_again(runs.folder, "subtitle-gen")
    assert runs.again() == "failed"
    assert runs.count == 2


def test_nothing_to_do_is_a_reason(runs: Runs) -> None:
    runs.act = failing(Skip("There is no key."))
    assert [runs.again(), runs.again()] == ["skipped", "skipped"]
    assert (runs.count, runs.record.reason) == (1, "There is no key.")


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "The disk is full"), (errno.EACCES, "Permission denied"), (errno.EROFS, "Permission denied")],
)
def test_a_disk_that_takes_nothing_more_is_said(runs: Runs, number: int, said: str) -> None:
    runs.act = failing(OSError(number, "os words", "/films/out/x"))
    assert runs.again() == "failed"
    assert (runs.record.reason or "").startswith(said)
    assert leftovers(runs.folder) == []


def test_another_disk_error_is_tried_again(runs: Runs) -> None:
    runs.act = failing(OSError(errno.EIO, "Input/output error", "/films/out/x"))
    assert runs.again() == "again"


def test_a_wrong_setting_names_itself(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NUMBER", "ten")
    assert runs.again() == "failed"
    assert "FAKE_NUMBER" in (runs.record.reason or "")
    assert "'ten'" in (runs.record.reason or "")


def test_a_model_whose_version_cannot_be_read_fails_the_stage(runs: Runs) -> None:
    def damaged(_settings: Settings) -> str:
        raise StageError("The list of models is damaged.", "Fetch them again.")

    runs.stage = replace(runs.stage, depends=damaged)
    assert runs.again() == "failed"
    assert (runs.record.reason, runs.record.way_out) == ("The list of models is damaged.", "Fetch them again.")


def test_the_old_result_stands_until_the_new_one_is_whole(runs: Runs) -> None:
    runs.again()

    def look(context: Context[Settings]) -> None:
        (context.output / "film.srt").write_text("new")
        assert (runs.folder / "subtitle-gen" / "film.srt").read_text() == "x"

    runs.act = look
    assert runs.again(force=True) == "done"
    assert (runs.folder / "subtitle-gen" / "film.srt").read_text() == "new"


def test_what_a_killed_try_left_is_removed(runs: Runs) -> None:
    (runs.folder / ".subtitle-gen.partial-abc").mkdir()
    (runs.folder / ".subtitle-gen.old-abc").mkdir()
    runs.change_record(status="running", attempts=1)
    assert runs.again() == "done"
    assert runs.record.attempts == 2
    assert leftovers(runs.folder) == []


def test_a_stage_that_is_being_worked_on_is_left_alone(runs: Runs) -> None:
    runs.change_record(status="running", attempts=1)
    with locked(stage_lock(runs.folder, "subtitle-gen")):
        assert runs.again() == "busy"
        ask_again(runs.folder, "subtitle-gen")
    assert (runs.record.status, runs.record.attempts) == ("running", 1)


def test_a_stage_without_its_input_says_which(runs: Runs) -> None:
    write_document(runs.folder / "manifest.json", Manifest())
    assert runs.again() == "failed"
    assert "The stage silero-vad has no result" in (runs.record.reason or "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"schema_version": 7}', "schema version 7; this program supports versions 1 to 2"),
        ('{"schema_version": 1, "speech_seconds": -1, "segments": []}', "speech_seconds"),
        ('{"schema_version": 1, "speech_seconds": 1, "segments": [], "more": 1}', "more"),
    ],
)
def test_a_damaged_input_names_its_file(runs: Runs, content: str, said: str) -> None:
    (runs.folder / "silero-vad" / "result.json").write_text(content)
    assert runs.again() == "failed"
    assert said in (runs.record.reason or "")
    assert "silero-vad/result.json" in (runs.record.reason or "")
    assert "resume" in (runs.record.way_out or "") or "--again" in (runs.record.way_out or "")


def test_a_job_without_its_files_says_so(tmp_path: Path, runs: Runs) -> None:
    runs.folder = tmp_path / "nothing"
    runs.folder.mkdir()
    with pytest.raises(StageError, match=r"job\.json is missing"):
        runs.again()


def test_a_stage_may_only_read_what_it_declares(runs: Runs) -> None:
    def act(context: Context[Settings]) -> None:
        context.read_if_done(SubtitleResult)

    runs.act = act
    runs.again()
    assert "does not declare it" in (runs.record.reason or "")


def test_a_path_that_leaves_the_job_is_refused(runs: Runs) -> None:
    refused: list[str] = []

    def act(context: Context[Settings]) -> None:
        assert context.path("silero-vad/result.json").is_file()
        (context.folder / "link").symlink_to("/etc")
        for path in ("../other/job.json", "/etc/passwd", "link/passwd"):
            with pytest.raises(StageError, match="leads out of the job's folder"):
                context.path(path)
            refused.append(path)

    runs.act = act
    assert runs.again() == "done"
    assert len(refused) == 3


def test_results_are_the_same_bytes_each_time(runs: Runs) -> None:
    runs.again()
    first = runs.record.outputs
    runs.again(force=True)
    assert runs.record.outputs == first
    assert isinstance(VAD, StageResult)


CARD = Device("cuda", "NVIDIA L4", 23_034)


@pytest.fixture
def on_device(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Device], None]:
    """Lets the stage be one with models, for which DEVICE says this and that device was found."""

    def set_device(wanted: str, device: Device) -> None:
        runs.environment = runs.environment.model_copy(update={"device": wanted})
        monkeypatch.setattr(runner, "device_in_use", lambda: device)

    return set_device


def test_the_device_is_told_of_a_stage_with_models(runs: Runs, on_device: Callable[[str, Device], None]) -> None:
    devices: list[str | None] = []
    runs.again()
    devices.append(runs.record.device)
    on_device("auto", CARD)
    runs.again(force=True)
    devices.append(runs.record.device)
    runs.act = lambda context: context.computes_on(CARD)
    runs.again(force=True)
    devices.append(runs.record.device)
    assert stage_lines("subtitle-gen", runs.record)[0].endswith("on cuda:0 (NVIDIA L4)")
    assert devices == [None, "cpu", "cuda:0 (NVIDIA L4)"]
    assert not runs.record.warnings


@pytest.mark.parametrize(("wanted", "shared"), [("cuda", None), ("auto", {"subtitle-gen": 512})])
def test_a_gpu_that_was_counted_on_in_vain_is_a_warning(
    runs: Runs, on_device: Callable[[str, Device], None], wanted: str, shared: dict[str, int] | None
) -> None:
    on_device(wanted, Device("cpu", "processor", 1, reason="there is none"))
    runs.environment = runs.environment.model_copy(update={"gpu_services": shared})
    runs.again()
    assert list(runs.record.warnings) == [
        f"It runs on CPU although a GPU was expected (DEVICE={wanted}): there is none."
    ]
    on_device(wanted, CARD)
    runs.again(force=True)
    assert not runs.record.warnings
    on_device("auto", Device("cpu", "processor", 1, reason="there is none"))
    runs.environment = runs.environment.model_copy(update={"gpu_services": None})
    runs.again(force=True)
    assert not runs.record.warnings


def test_what_torch_keeps_of_the_card_is_given_back_after_each_try(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(runner, "give_memory_back", lambda: given.append(runs.count))

    def fail(_context: Context[Settings]) -> None:
        raise ValueError("words")

    runs.again()
    runs.act = fail
    runs.again(force=True)
    assert given == [1, 2]


def test_a_stage_that_never_uses_a_gpu_is_asked_for_none(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Device:
        raise StageError("No GPU can be used.", "Give it one.")

    monkeypatch.setattr(runner, "device_in_use", refuse)
    runs.environment = runs.environment.model_copy(update={"device": "cuda", "allow_cpu": False})
    runs.stage = replace(runs.stage, never_on_gpu="its model is made for the processor")
    assert runs.again() == "done"
    assert (runs.record.device, runs.record.warnings) == ("cpu", ())


def test_a_stage_that_may_not_run_on_the_processor_fails_with_the_way_out(
    runs: Runs, on_device: Callable[[str, Device], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Device:
        raise StageError("No GPU can be used.", "Give it one.")

    on_device("auto", CARD)
    monkeypatch.setattr(runner, "device_in_use", refuse)
    assert runs.again() == "failed"
    assert (runs.count, runs.record.reason, runs.record.way_out) == (0, "No GPU can be used.", "Give it one.")


def test_warnings_stay_with_the_result_and_go_with_it(runs: Runs, on_device: Callable[[str, Device], None]) -> None:
    on_device("auto", CARD)

    def act(context: Context[Settings]) -> None:
        context.computes_on(CARD)
        context.warn("The GPU was full.")
        context.warn("A smaller model was taken.")
        context.computes_on(Device("cpu", "processor", 1))

    runs.act = act
    runs.again()
    ask_again(runs.folder, "subtitle-gen")
    assert runs.again() == "unchanged"
    assert runs.record.device == "cpu"
    assert [line.strip() for line in stage_lines("subtitle-gen", runs.record)[1:]] == [
        "warning: The GPU was full.",
        "warning: A smaller model was taken.",
    ]
    runs.act = lambda _context: None
    runs.again(force=True)
    assert (runs.record.device, runs.record.warnings) == ("cpu", ())


OLD_MANIFEST = """{
  "schema_version": 1,
  "stages": {
    "silero-vad": {
      "status": "done", "started": "2026-01-31T12:00:00Z", "finished": "2026-01-31T12:00:01Z", "seconds": 1.0,
      "attempts": 1, "key": "abc", "image": "registry/image@sha256:1", "inputs": {}, "outputs": [], "reason": null,
      "way_out": null, "progress": null, "note": null
    }
  }
}"""


def test_a_job_of_the_last_release_goes_on(runs: Runs) -> None:
    (runs.folder / "manifest.json").write_text(OLD_MANIFEST)
    old = '{"schema_version": 1, "segments": [], "speech_seconds": 1.0}'
    (runs.folder / "silero-vad" / "result.json").write_text(old)
    assert runs.again() == "done"
    written = json.loads((runs.folder / "manifest.json").read_text())
    assert written["schema_version"] == 2
    assert written["stages"]["silero-vad"]["key"] == "abc"
    assert (runs.folder / "silero-vad" / "result.json").read_text() == old
