"""The worker of one stage: takes jobs from the stage's queue, one at a time, and queues each for the next stage.

Failures:
- The process ends for any reason: the stage's next worker requeues the unacknowledged message and retries the stage.
- The process is killed: the attempt it had started counts.
- The stage makes no progress within its time limit: the worker records why and exits; the engine restarts it.
- The GPU fails with anything but out of memory: this process cannot use it any more. The attempt counts, the worker
  exits and the engine restarts it.
- SIGTERM: an idle worker exits at once; a busy one exits and does not count the attempt.
- Redis is down or slow: the worker waits, and becomes unhealthy after a while; the running stage continues.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from cp_whisperx.backoff import means_broken_gpu
from cp_whisperx.children import kill_children
from cp_whisperx.contract import StageRecord
from cp_whisperx.devices import device_in_use, note_device, note_failure
from cp_whisperx.environment import Environment, load_settings
from cp_whisperx.errors import StageError
from cp_whisperx.logs import start_log
from cp_whisperx.manifest import change_record, failed_stage, read_manifest
from cp_whisperx.message_queue import ACTOR, open_worker_broker, send
from cp_whisperx.runner import AnyStage, Outcome, run_stage
from cp_whisperx.stages import next_stage, stage_facts

_log: Final = logging.getLogger("cp_whisperx.worker")
_TICK_SECONDS: Final = 1.0
_LONGEST_WAIT_MS: Final = 30_000
"""An idle worker gets an answer from Redis at least this often; it is unhealthy after 120 s without one."""
_PAUSE_BEFORE_AGAIN: Final = 5.0
_PAUSE_FOR_DISK: Final = 30.0


@dataclass
class _Work:
    """The running job. The worker thread writes it and the main thread reads it, except for `clock`."""

    folder: Path | None = None
    clock: float = 0.0
    """Seconds that this process was running; time while it or the machine was suspended does not count."""
    deadline: float = float("inf")
    """In seconds of `clock`."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set to make the worker exit."""
    failure: str | None = None
    """The error message of the GPU library, once the GPU has failed."""


def serve(stage: AnyStage) -> NoReturn:
    """Runs the worker of `stage` until SIGTERM or SIGINT."""
    environment = load_settings(Environment)
    start_log(environment)
    try:
        settings = load_settings(stage.settings)
        _take_device(stage, environment)
        if stage.load:
            stage.load(settings)
    except StageError as error:
        _log.error("%s cannot start: %s %s", stage.name, error.reason, error.way_out)
        sys.exit(1)
    except RuntimeError as error:
        if not means_broken_gpu(error):
            raise
        _log.error("%s cannot start: the GPU failed: %s", stage.name, error)
        sys.exit(1)
    work = _Work()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: work.stop.set())
    _start_dramatiq(stage, work, environment)
    _log.info("%s is ready (%s)", stage.name, environment.cp_whisperx_image)
    _watch(stage, work)
    if work.failure is not None:
        _log.error("%s exits to be restarted: the GPU failed: %s", stage.name, work.failure)
        _end(stage, work, "the GPU failed in an earlier job", status=1, counts=False)
    _end(stage, work, "the worker was asked to stop", status=0, counts=False)


def _take_device(stage: AnyStage, environment: Environment) -> None:
    """Chooses the device for this worker's models and logs it; raises StageError if no allowed device is available."""
    if stage.never_on_gpu:
        _log.info("%s runs on CPU: %s", stage.name, stage.never_on_gpu)
        return
    if environment.device is None:
        return
    device = device_in_use()
    note_device(device, environment.device_file)
    if device.kind == "cuda":
        share = device.share_megabytes or device.memory_megabytes
        _log.info("%s uses %s, %d of its %d MiB", stage.name, device.title, share, device.memory_megabytes)
        return
    level = logging.WARNING if device.reason and environment.is_meant_for_gpu else logging.INFO
    _log.log(level, "%s runs on CPU: %s", stage.name, device.reason or f"DEVICE={environment.device}")


def _start_dramatiq(stage: AnyStage, work: _Work, environment: Environment) -> None:
    broker = open_worker_broker(environment.redis_url, stage.name, environment.health_file.touch)

    def run(folder: str) -> None:
        _take(stage, broker, work, environment, Path(folder))

    dramatiq.actor(actor_name=ACTOR, queue_name=stage.name, broker=broker)(run)
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=_LONGEST_WAIT_MS)
    worker.queue_prefetch = 1
    worker.start()


def _take(stage: AnyStage, broker: RedisBroker, work: _Work, environment: Environment, folder: Path) -> None:
    """Handles one message. Records every failure of the job in its manifest and never raises."""
    work.folder = folder

    def progressed() -> None:
        work.deadline = work.clock + stage_facts(stage.name).time_limit_seconds

    def gpu_failed(text: str) -> None:
        work.failure = text
        with contextlib.suppress(OSError):
            note_failure(text, environment.device_file)

    progressed()
    try:
        outcome = run_stage(stage, folder, environment=environment, progressed=progressed, gpu_failed=gpu_failed)
        work.deadline = float("inf")  # the stage has ended; waiting for the queue is not limited
        _hand_on(stage, broker, folder, outcome)
    except StageError as error:
        _log.error("%s cannot handle %s: %s", stage.name, folder, error)
    except OSError as error:
        work.deadline = float("inf")
        _log.error("%s cannot write to %s, retrying: %s", stage.name, folder, error)
        send(broker, stage.name, folder, delay_seconds=_PAUSE_FOR_DISK)
    finally:
        work.folder = None
        work.deadline = float("inf")
        if work.failure is not None:
            work.stop.set()


def _hand_on(stage: AnyStage, broker: RedisBroker, folder: Path, outcome: Outcome) -> None:
    if outcome in ("again", "busy"):
        send(broker, stage.name, folder, delay_seconds=_PAUSE_BEFORE_AGAIN)
        return
    following = next_stage(stage.name)
    if following and not (outcome == "failed" and failed_stage(read_manifest(folder))):
        send(broker, following, folder)


def _watch(stage: AnyStage, work: _Work) -> None:
    """Advances the clock and enforces the time limit until the worker is asked to stop."""
    while not work.stop.wait(_TICK_SECONDS):
        work.clock += _TICK_SECONDS
        if work.clock >= work.deadline:
            limit = stage_facts(stage.name).time_limit_seconds
            _end(stage, work, f"It made no progress for its time limit of {limit} s.", status=1, counts=True)


def _end(stage: AnyStage, work: _Work, reason: str, *, status: int, counts: bool) -> NoReturn:
    """Ends this process at once. This is safe at any time: a result counts only after its folder was renamed."""
    folder = work.folder
    if folder is not None:
        _log.info("%s stops working on %s: %s", stage.name, folder.name, reason)
        with contextlib.suppress(StageError, OSError):
            change_record(folder, stage.name, lambda now: _interrupted(now, reason, counts=counts))
    logging.shutdown()
    kill_children()
    os._exit(status)


def _interrupted(record: StageRecord, reason: str, *, counts: bool) -> StageRecord:
    if record.status != "running":
        return record
    attempts = record.attempts if counts else max(0, record.attempts - 1)
    return record.model_copy(
        update={"status": "pending", "key": None, "attempts": attempts, "reason": reason if counts else None}
    )
