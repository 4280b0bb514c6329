"""Real workers, a real queue, real kills."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from cp_whisperx.contract import StageRecord
from cp_whisperx.environment import Environment
from cp_whisperx.manifest import read_manifest, record_of
from cp_whisperx.message_queue import open_broker, send
from cp_whisperx_testing import make_job
from harness import COMMON, Queue, Workers, eventually, variables

FIRST, SECOND = "subtitle-gen", "mux"


@pytest.fixture
def job(workers: Workers) -> Path:
    return make_job(workers.environment.films_out / "2026" / "01" / "31" / "film")


def record(job: Path, stage: str) -> StageRecord:
    return record_of(read_manifest(job), stage)


def starts(job: Path, stage: str) -> list[int]:
    path = job / f"{stage}.starts"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def started(job: Path, times: int) -> bool:
    return len(starts(job, FIRST)) == times


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]


def ask(queue: Queue, job: Path, times: int = 1) -> None:
    broker = open_broker(queue.url)
    for _ in range(times):
        send(broker, FIRST, job)


def test_a_job_goes_from_stage_to_stage(queue: Queue, workers: Workers, job: Path) -> None:
    workers.start(FIRST)
    workers.start(SECOND)
    ask(queue, job)
    eventually(lambda: record(job, SECOND).status == "done")
    assert record(job, FIRST).status == "done"
    assert record(job, FIRST).image == "registry/image@sha256:1"
    assert (job / "mux" / "film.mp4").read_text() == "x"


def test_a_message_that_comes_three_times_is_done_once(queue: Queue, workers: Workers, job: Path) -> None:
    workers.start(FIRST, seconds=1)
    workers.start(FIRST, seconds=1)
    ask(queue, job, times=3)
    eventually(lambda: record(job, FIRST).status == "done")
    eventually(lambda: not pending(queue), seconds=20)
    assert len(starts(job, FIRST)) == 1


def pending(queue: Queue) -> int:
    broker = open_broker(queue.url)
    return sum(int(broker.client.hlen(f"dramatiq:{name}.msgs")) for name in (FIRST, f"{FIRST}.DQ"))


def test_a_killed_worker_leaves_a_job_that_goes_on(queue: Queue, workers: Workers, job: Path) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: len(starts(job, FIRST)) == 1)
    worker.kill()
    worker.wait()
    assert record(job, FIRST).status == "running"
    workers.start(FIRST)
    eventually(lambda: record(job, FIRST).status == "done")
    assert record(job, FIRST).attempts == 2
    assert len(starts(job, FIRST)) == 2
    assert sorted(path.name for path in job.iterdir() if path.name.startswith(".subtitle-gen.p")) == []
    assert [path.name for path in sorted((job / FIRST).iterdir())] == ["film.srt", "result.json"]


def test_a_stage_that_kills_its_worker_each_time_fails(queue: Queue, workers: Workers, job: Path) -> None:
    ask(queue, job)
    for number in (1, 2, 3):
        worker = workers.start(FIRST, seconds=60)
        eventually(partial(started, job, number))
        worker.kill()
        worker.wait()
    workers.start(FIRST)
    eventually(lambda: record(job, FIRST).status == "failed")
    assert "started 3 times and never finished" in (record(job, FIRST).reason or "")
    assert "resume" in (record(job, FIRST).way_out or "")


def test_an_idle_worker_ends_at_once(workers: Workers) -> None:
    worker = workers.start(FIRST)
    began = time.monotonic()
    worker.terminate()
    assert worker.wait(timeout=5) == 0
    assert time.monotonic() - began < 2


def test_a_busy_worker_that_is_told_to_stop_gives_its_job_back(queue: Queue, workers: Workers, job: Path) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: len(starts(job, FIRST)) == 1)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=2) == 0
    assert record(job, FIRST).status == "pending"
    assert record(job, FIRST).attempts == 0
    eventually(lambda: not is_alive(starts(job, FIRST)[0]))
    workers.start(FIRST)
    eventually(lambda: record(job, FIRST).status == "done", seconds=2.5)
    assert record(job, FIRST).attempts == 1


def test_a_stage_that_outlasts_its_time_is_ended_with_its_children(queue: Queue, workers: Workers, job: Path) -> None:
    ask(queue, job)
    for number in (1, 2, 3):
        worker = workers.start(FIRST, seconds=60, time_limit=1)
        assert worker.wait(timeout=10) == 1
        assert record(job, FIRST).reason == "It outlasted its time limit of 1 s."
        assert record(job, FIRST).attempts == number
    eventually(lambda: not any(is_alive(child) for child in starts(job, FIRST)))
    workers.start(FIRST)
    eventually(lambda: record(job, FIRST).status == "failed")
    assert (record(job, FIRST).reason or "").endswith("It outlasted its time limit of 1 s.")


def test_a_worker_outlives_its_queue(queue: Queue, workers: Workers, job: Path) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: len(starts(job, FIRST)) == 1)
    queue.kill()
    (job / "hurry").touch()
    eventually(lambda: record(job, FIRST).status == "done")
    queue.start()
    eventually(lambda: queue_length(queue, SECOND) == 1)
    assert worker.poll() is None
    assert len(starts(job, FIRST)) == 1


def test_an_outcome_that_cannot_be_handed_on_is_not_lost(
    queue: Queue, workers: Workers, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_PATIENCE", "1")
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: len(starts(job, FIRST)) == 1)
    queue.kill()
    (job / "hurry").touch()
    assert worker.wait(timeout=20) == 1
    assert record(job, FIRST).status == "done"
    queue.start()
    workers.start(FIRST)
    eventually(lambda: queue_length(queue, SECOND) == 1)
    assert len(starts(job, FIRST)) == 1


def queue_length(queue: Queue, stage: str) -> int:
    return int(open_broker(queue.url).client.hlen(f"dramatiq:{stage}.msgs"))


def test_a_worker_stays_healthy_in_a_long_stage(queue: Queue, workers: Workers, job: Path) -> None:
    workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: len(starts(job, FIRST)) == 1)
    before = workers.environment.health_file.stat().st_mtime_ns
    eventually(lambda: workers.environment.health_file.stat().st_mtime_ns > before)
    eventually(lambda: record(job, FIRST).progress == 0.5)


def test_a_worker_with_models_says_that_it_runs_on_the_processor(
    queue: Queue, workers: Workers, job: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    workers.environment = workers.environment.model_copy(update={"device": "auto"})
    workers.start(FIRST)
    ask(queue, job)
    eventually(lambda: record(job, FIRST).status == "done")
    assert record(job, FIRST).device == "cpu"
    assert f"{FIRST} runs on CPU: " in capfd.readouterr().out
    assert json.loads(workers.environment.device_file.read_text())["kind"] == "cpu"


def test_a_worker_that_never_uses_a_gpu_says_why_and_refuses_nothing(
    workers: Workers, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEVER_ON_GPU", "its model is made for the processor")
    workers.environment = workers.environment.model_copy(update={"device": "cuda", "allow_cpu": False})
    workers.start(FIRST)
    assert f"{FIRST} runs on CPU: its model is made for the processor" in capfd.readouterr().out
    assert not workers.environment.device_file.exists()


def test_a_worker_that_may_not_run_on_the_processor_refuses_to_start(places: Environment) -> None:
    strict = places.model_copy(update={"device": "auto", "allow_cpu": False})
    refused = subprocess.run(
        [sys.executable, str(COMMON / "tests" / "fake_stage.py"), FIRST, "0", "60"],
        env={**variables(strict), "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 1
    assert f"{FIRST} cannot start: No GPU can be used: " in refused.stdout
    assert "allowCpu: true" in refused.stdout
    assert not places.device_file.exists()


def test_a_worker_whose_gpu_failed_ends_and_the_next_one_does_the_job(
    queue: Queue, workers: Workers, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CARD", "1")
    workers.environment = workers.environment.model_copy(update={"device": "auto"})
    worker = workers.start(FIRST)
    noted = workers.environment.device_file
    assert "failure" not in json.loads(noted.read_text())
    ask(queue, job)
    assert worker.wait(timeout=20) == 1
    assert (record(job, FIRST).status, record(job, FIRST).attempts) == ("pending", 1)
    assert (record(job, FIRST).reason or "").startswith("RuntimeError: CUDA error: an illegal memory access")
    assert json.loads(noted.read_text())["failure"] == "CUDA error: an illegal memory access was encountered"
    workers.start(FIRST)
    eventually(lambda: record(job, FIRST).status == "done")
    assert record(job, FIRST).attempts == 2
    assert "failure" not in json.loads(noted.read_text())
