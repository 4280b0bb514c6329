"""The commands as a user types them, with real workers behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cp_whisperx.contract import Manifest, StageRecord
from cp_whisperx.environment import Environment
from cp_whisperx.files import write_document
from cp_whisperx.jobs import StoredJob, stored_jobs
from cp_whisperx.manifest import read_manifest, record_of
from cp_whisperx.message_queue import open_broker, send
from cp_whisperx.stages import all_stages
from cp_whisperx_testing import make_job
from harness import COMMON, PATIENCE, Queue, Workers, variables


def command(places: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cp_whisperx", *arguments],
        env=variables(places),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.fixture
def film(places: Environment) -> Path:
    path = places.films_in / "The 'Letter'.mp4"
    path.write_text("x")
    return path


def only_job(places: Environment) -> StoredJob:
    (stored,) = stored_jobs(places)
    return stored


def settle(stored: StoredJob, *, but: tuple[str, ...] = (), **changes: StageRecord) -> None:
    """Lets all stages have ended, less those that a worker shall do."""
    skipped = StageRecord(status="skipped", reason="not in this test")
    records = {facts.name: skipped for facts in all_stages() if facts.name not in but}
    write_document(stored.folder / "manifest.json", Manifest(stages={**records, **changes}))


def test_a_film_that_is_not_there_is_one_clear_sentence(places: Environment) -> None:
    said = command(places, "submit", "none.mp4")
    assert said.returncode == 1
    assert said.stderr.startswith("Error: There is no film at 'none.mp4'")
    assert "Traceback" not in said.stderr


def test_a_queue_that_is_away_is_one_clear_sentence(queue: Queue, places: Environment, film: Path) -> None:
    url = queue.url
    queue.kill()
    process = subprocess.Popen(
        [sys.executable, "-m", "cp_whisperx", "submit", film.name],
        env=variables(places.model_copy(update={"redis_url": url})),
        stderr=subprocess.PIPE,
        text=True,
    )
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "The queue does not answer" in errors
    assert "Traceback" not in errors


def test_a_wrong_setting_is_one_clear_sentence(places: Environment) -> None:
    broken = {**variables(places), "LOG_LEVEL": "LOUD"}
    for arguments in (["-m", "cp_whisperx", "status"], [str(COMMON / "tests" / "fake_stage.py"), "mux", "0", "1"]):
        said = subprocess.run([sys.executable, *arguments], env=broken, capture_output=True, text=True, check=False)
        assert said.returncode == 1
        assert "LOG_LEVEL" in said.stderr
        assert "'LOUD'" in said.stderr
        assert "Traceback" not in said.stderr


def test_a_submitted_film_is_followed_to_its_end(workers: Workers, film: Path) -> None:
    places = workers.environment
    assert command(places, "submit", film.name).returncode == 0
    stored = only_job(places)
    assert record_of(read_manifest(stored.folder), "demux").status == "pending"
    assert int(open_broker(places.redis_url).client.hlen("dramatiq:demux.msgs")) == 1
    settle(stored, but=("subtitle-gen", "mux"))
    waiting = wait_for(places, film)
    assert waiting.stdout
    assert waiting.stdout.readline() == f"job {stored.job.id} is already working on this film\n"
    workers.start("subtitle-gen")
    workers.start("mux")
    send(open_broker(places.redis_url), "subtitle-gen", stored.folder)
    output, errors = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode, errors) == (0, "")
    lines = output.splitlines()
    names = [facts.name for facts in all_stages()]
    assert [line.split()[0] for line in lines[: len(names)]] == names
    assert f"film:      {stored.folder}/mux/film.mp4" in lines
    assert f"subtitles: {stored.folder}/subtitle-gen/film.srt" in lines
    again = command(places, "submit", film.name, "--wait")
    assert "has already finished this film" in again.stdout
    assert len(stored_jobs(places)) == 1
    assert command(places, "submit", film.name, "--again").returncode == 0
    assert len(stored_jobs(places)) == 2


def wait_for(places: Environment, film: Path) -> subprocess.Popen[str]:
    # A program that was started in the background hands on to us that Ctrl-C is to be ignored.
    program = ["env", "--default-signal=INT", sys.executable, "-u", "-m", "cp_whisperx"]
    return subprocess.Popen(
        [*program, "submit", film.name, "--wait"],
        env=variables(places),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_job_that_stopped_says_why_and_goes_on_when_resumed(workers: Workers, film: Path) -> None:
    places = workers.environment
    command(places, "submit", film.name)
    stored = only_job(places)
    failed = StageRecord(status="failed", reason="The disk is full.", way_out="Make room.", attempts=3)
    settle(stored, mux=failed)
    said = command(places, "status", stored.job.id)
    assert f"{stored.job.id}: failed" in said.stdout
    assert f"Job {stored.job.id} stopped at mux: The disk is full. Make room." in said.stdout
    facts = json.loads(command(places, "status", stored.job.id, "--json").stdout)
    assert (facts["state"], facts["stages"]["mux"]["reason"]) == ("failed", "The disk is full.")
    assert command(places, "status").stdout.split()[:2] == [stored.job.id, "failed"]
    assert json.loads(command(places, "status", "--json").stdout)[0]["state"] == "failed"
    assert command(places, "resume", stored.job.id).returncode == 0
    record = record_of(read_manifest(stored.folder), "mux")
    assert (record.status, record.attempts, record.reason) == ("pending", 0, None)


def test_a_job_with_a_damaged_manifest_says_so_and_spoils_no_list(workers: Workers, film: Path) -> None:
    places = workers.environment
    command(places, "submit", film.name)
    stored = only_job(places)
    (stored.folder / "manifest.json").write_text('{"schema_version": 1')
    assert command(places, "status").stdout.split()[:2] == [stored.job.id, "damaged"]
    said = command(places, "resume", stored.job.id)
    assert said.returncode == 1
    assert "manifest.json is damaged" in said.stderr
    assert "--again" in said.stderr
    assert command(places, "submit", film.name, "--again").returncode == 0


def test_waiting_for_a_job_that_fails_fails(workers: Workers, film: Path) -> None:
    places = workers.environment
    command(places, "submit", film.name)
    stored = only_job(places)
    waiting = wait_for(places, film)
    assert waiting.stdout
    assert "is already working" in waiting.stdout.readline()
    settle(stored, but=("mux",), asr=StageRecord(status="failed", reason="No words.", way_out="Speak up."))
    _, errors = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 1
    assert "stopped at asr: No words. Speak up." in errors


def test_who_stops_waiting_does_not_stop_the_job(workers: Workers, film: Path) -> None:
    places = workers.environment
    command(places, "submit", film.name)
    stored = only_job(places)
    settle(stored, but=("mux",))
    waiting = wait_for(places, film)
    assert waiting.stdout
    while not waiting.stdout.readline().startswith("subtitle-gen"):
        pass
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 130
    assert f"cp-whisperx status {stored.job.id}" in errors


def test_a_stage_runs_alone_on_a_job_folder(places: Environment, tmp_path: Path) -> None:
    job = make_job(tmp_path / "job")
    program = COMMON / "tests" / "fake_stage.py"
    call = [sys.executable, str(program), "mux", "0", "60", "run", str(job)]
    first, second = (
        subprocess.run(call, env=variables(places), capture_output=True, text=True, check=True) for _ in range(2)
    )
    assert first.stdout.endswith("mux: done\n")
    assert second.stdout.endswith("mux: unchanged\n")


def test_the_log_is_one_line_for_each_event(places: Environment, tmp_path: Path) -> None:
    job = make_job(tmp_path / "job")
    program = COMMON / "tests" / "fake_stage.py"
    call = [sys.executable, str(program), "mux", "0", "60", "run", str(job)]
    chatty = {**variables(places), "LOG_FORMAT": "json"}
    said = subprocess.run(call, env=chatty, capture_output=True, text=True, check=True).stdout.splitlines()
    events = [json.loads(line) for line in said[:-1]]
    assert [event["message"].split()[3].rstrip(",") for event in events] == ["started", "done"]
    assert {event["level"] for event in events} == {"info"}


def test_every_image_answers_help(places: Environment) -> None:
    program = COMMON / "tests" / "fake_stage.py"
    call = [sys.executable, str(program), "mux", "0", "60", "--help"]
    said = subprocess.run(call, env=variables(places), capture_output=True, text=True, check=True).stdout
    for name in ("worker", "run", "settings-schema", "submit", "status", "resume", "list-stages"):
        assert name in said
    assert len(command(places, "list-stages").stdout.splitlines()) == len(all_stages())
