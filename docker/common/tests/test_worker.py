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
from cp_whisperx.files import locked
from cp_whisperx.manifest import are_intact, read_manifest, record_of, stage_lock
from cp_whisperx.message_queue import open_broker, send
from cp_whisperx_testing import make_job
from harness import COMMON, PATIENCE, Queue, Workers, eventually, variables

FIRST, SECOND = "subtitle-gen", "mux"


@pytest.fixture
def job(workers: Workers) -> Path:
    return make_job(workers.environment.films_out / "2026" / "01" / "31" / "film")


def record(job: Path, stage: str) -> StageRecord:
    return record_of(read_manifest(job), stage)


def starts(job: Path, stage: str) -> list[int]:
    path = job / f"{stage}.starts"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def is_done(job: Path) -> bool:
    return record(job, FIRST).status == "done"


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


def is_waiting(queue: Queue) -> bool:
    """Whether a worker waits in Redis for its messages and for those to be tried again."""
    return int(open_broker(queue.url).client.info("clients")["blocked_clients"]) == 2


def test_an_idle_worker_waits_without_a_word(queue: Queue, workers: Workers) -> None:
    workers.start(FIRST)
    eventually(lambda: is_waiting(queue))
    client = open_broker(queue.url).client
    before = client.info("stats")["total_commands_processed"]
    time.sleep(3)
    assert client.info("stats")["total_commands_processed"] - before == 1  # this question


def test_jobs_are_taken_at_once(queue: Queue, workers: Workers) -> None:
    """At once, on a busy machine, is well before the half minute after which a waiting worker looks by itself."""
    workers.start(FIRST, seconds=0.5)
    eventually(lambda: is_waiting(queue))
    folder = workers.environment.films_out / "2026" / "01" / "31"
    jobs = [make_job(folder / f"film{number}") for number in range(4)]
    asked = time.monotonic()
    for job in jobs[:-1]:
        ask(queue, job)
    with locked(stage_lock(jobs[-1], FIRST)):
        ask(queue, jobs[-1])
        eventually(lambda: is_delayed(queue))
    eventually(lambda: all(is_done(job) for job in jobs))
    assert time.monotonic() - asked < 20


def test_a_message_that_comes_three_times_is_done_once(queue: Queue, workers: Workers, job: Path) -> None:
    workers.start(FIRST, seconds=1)
    workers.start(FIRST, seconds=1)
    ask(queue, job, times=3)
    eventually(lambda: record(job, FIRST).status == "done")
    eventually(lambda: not pending(queue))
    assert len(starts(job, FIRST)) == 1


def pending(queue: Queue) -> int:
    return queue_length(queue, FIRST) + queue_length(queue, f"{FIRST}.DQ")


def queue_length(queue: Queue, name: str) -> int:
    return int(open_broker(queue.url).client.hlen(f"dramatiq:{name}.msgs"))


def is_delayed(queue: Queue) -> bool:
    """Whether the worker holds the message until it is to try again."""
    return queue_length(queue, f"{FIRST}.DQ") == 1 and not open_broker(queue.url).client.llen(f"dramatiq:{FIRST}.DQ")


def test_a_worker_that_stood_still_finishes_its_job_once(queue: Queue, workers: Workers, job: Path) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: started(job, 1))
    worker.send_signal(signal.SIGSTOP)
    workers.start(FIRST, seconds=60)
    eventually(lambda: queue_length(queue, f"{FIRST}.DQ") == 1)  # it found the lock held, and looks again later
    worker.send_signal(signal.SIGCONT)
    (job / "hurry").touch()
    eventually(lambda: record(job, FIRST).status == "done")
    eventually(lambda: not pending(queue))
    assert started(job, 1)
    assert record(job, FIRST).attempts == 1
    assert are_intact(job, record(job, FIRST).outputs)
    assert queue_length(queue, SECOND) >= 1


def test_a_stage_that_gets_on_may_outlast_its_time_and_stand_still(
    queue: Queue, workers: Workers, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEADY", "1")
    worker = workers.start(FIRST, seconds=3, time_limit=1)
    ask(queue, job)
    eventually(lambda: started(job, 1))
    worker.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    worker.send_signal(signal.SIGCONT)
    eventually(lambda: record(job, FIRST).status == "done")
    assert worker.poll() is None
    assert (record(job, FIRST).attempts, record(job, FIRST).reason) == (1, None)


def test_a_killed_worker_leaves_a_job_that_goes_on(queue: Queue, workers: Workers, job: Path) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: started(job, 1))
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


def test_an_idle_worker_ends_when_told(workers: Workers) -> None:
    worker = workers.start(FIRST)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0


def test_a_busy_worker_that_is_told_to_stop_gives_its_job_back(queue: Queue, workers: Workers, job: Path) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: started(job, 1))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    assert record(job, FIRST).status == "pending"
    assert record(job, FIRST).attempts == 0
    eventually(lambda: not is_alive(starts(job, FIRST)[0]))
    workers.start(FIRST)
    eventually(lambda: record(job, FIRST).status == "done")
    assert record(job, FIRST).attempts == 1


def test_a_stage_that_is_stuck_is_ended_with_its_children(queue: Queue, workers: Workers, job: Path) -> None:
    ask(queue, job)
    for number in (1, 2, 3):
        worker = workers.start(FIRST, seconds=60, time_limit=1)
        assert worker.wait(PATIENCE) == 1
        assert record(job, FIRST).reason == "It made no progress for its time limit of 1 s."
        assert record(job, FIRST).attempts == number
    eventually(lambda: not any(is_alive(child) for child in starts(job, FIRST)))
    workers.start(FIRST)
    eventually(lambda: record(job, FIRST).status == "failed")
    assert (record(job, FIRST).reason or "").endswith("It made no progress for its time limit of 1 s.")


def test_a_worker_outlives_its_queue(queue: Queue, workers: Workers, job: Path) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: started(job, 1))
    queue.kill()
    (job / "hurry").touch()
    eventually(lambda: record(job, FIRST).status == "done")
    queue.start()
    eventually(lambda: queue_length(queue, SECOND) == 1)
    assert worker.poll() is None
    assert len(starts(job, FIRST)) == 1


def test_an_outcome_that_was_not_handed_on_is_not_lost(queue: Queue, workers: Workers, job: Path) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: started(job, 1))
    queue.kill()
    (job / "hurry").touch()
    eventually(lambda: record(job, FIRST).status == "done")
    worker.kill()
    worker.wait()
    queue.start()
    workers.start(FIRST)
    eventually(lambda: queue_length(queue, SECOND) == 1)
    assert started(job, 1)


def test_a_job_that_waits_to_be_tried_again_outlives_a_restart_of_the_queue(
    queue: Queue, workers: Workers, job: Path
) -> None:
    worker = workers.start(FIRST)
    with locked(stage_lock(job, FIRST)):
        ask(queue, job)
        eventually(lambda: is_delayed(queue))
        queue.kill()
        time.sleep(1.5)  # its time comes while the queue is away
        queue.start()
    eventually(lambda: record(job, FIRST).status == "done")
    assert worker.poll() is None


def test_a_worker_waits_for_a_slow_queue(
    queue: Queue, workers: Workers, job: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: started(job, 1))
    with queue.stopped():
        (job / "hurry").touch()
        eventually(lambda: record(job, FIRST).status == "done")
        time.sleep(11)  # an answer later than ten seconds was once a lost connection
    eventually(lambda: not pending(queue))
    assert queue_length(queue, SECOND) == 1
    assert worker.poll() is None
    said = capfd.readouterr().out
    assert "does not answer" not in said
    assert "error" not in said


def test_a_worker_is_told_to_stop_while_the_queue_is_slow(queue: Queue, workers: Workers, job: Path) -> None:
    worker = workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: started(job, 1))
    with queue.stopped():
        worker.terminate()
        assert worker.wait(PATIENCE) == 0
    assert (record(job, FIRST).status, record(job, FIRST).attempts) == ("pending", 0)


def test_a_worker_stays_healthy_in_a_long_stage(
    queue: Queue, workers: Workers, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGEST_WAIT_MS", "500")
    workers.start(FIRST, seconds=60)
    ask(queue, job)
    eventually(lambda: started(job, 1))
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
        timeout=PATIENCE,
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
    assert worker.wait(PATIENCE) == 1
    assert (record(job, FIRST).status, record(job, FIRST).attempts) == ("pending", 1)
    assert (record(job, FIRST).reason or "").startswith("RuntimeError: CUDA error: an illegal memory access")
    assert json.loads(noted.read_text())["failure"] == "CUDA error: an illegal memory access was encountered"
    workers.start(FIRST)
    eventually(lambda: record(job, FIRST).status == "done")
    assert record(job, FIRST).attempts == 2
    assert "failure" not in json.loads(noted.read_text())
