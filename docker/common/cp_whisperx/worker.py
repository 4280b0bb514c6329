"""The worker of one stage: takes jobs from the stage's queue, one at a time, and hands them on.

What happens when things break:
- The process ends, however it does: the next one of this stage takes its message back and starts the stage again.
- The process is killed: that start is the stage's next try.
- The stage makes no progress for its time limit: the worker notes why and ends itself; the engine starts it anew.
- The GPU fails otherwise than by being full: this process can do nothing with it any more. The try counts, the worker
  ends and the engine starts it anew.
- SIGTERM: an idle worker ends at once; a busy one ends without counting the attempt.
- Redis is away or slow: the worker waits, and after a while is unhealthy; the work in hand goes on.
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

from cp_whisperx.backoff import means_broken_card
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
"""A worker that waits for a job hears of Redis this often, and is unhealthy when it did not for 120 s."""
_PAUSE_BEFORE_AGAIN: Final = 5.0
_PAUSE_FOR_DISK: Final = 30.0


@dataclass
class _Work:
    """The job in hand. Changed by the thread that works, read by the one that watches; but for the clock."""

    folder: Path | None = None
    clock: float = 0.0
    """Seconds for which this process could run; those do not count for which it, or the machine, was stopped."""
    deadline: float = float("inf")
    """By this clock."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the worker is to end."""
    failure: str | None = None
    """What the GPU's library said when the GPU failed."""


def serve(stage: AnyStage) -> NoReturn:
    """Runs the worker of `stage` until it is told to stop."""
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
        if not means_broken_card(error):
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
        _log.error("%s ends, to start anew: the GPU failed: %s", stage.name, work.failure)
        _end(stage, work, "the GPU failed in a job before", status=1, counts=False)
    _end(stage, work, "the worker was told to stop", status=0, counts=False)


def _take_device(stage: AnyStage, environment: Environment) -> None:
    """Chooses what this worker's models compute on, and says so; StageError where nothing that is allowed is there."""
    if stage.never_on_gpu:
        _log.info("%s runs on CPU: %s", stage.name, stage.never_on_gpu)
        return
    if environment.device is None:
        return
    device = device_in_use()
    note_device(device, environment.device_file)
    if device.kind == "cuda":
        share = device.share_megabytes or device.memory_megabytes
        _log.info("%s has %s, and of its %d MiB %d", stage.name, device.title, device.memory_megabytes, share)
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
    """Handles one message. Whatever goes wrong with a job is told in its manifest, never by an exception."""
    work.folder = folder

    def progressed() -> None:
        work.deadline = work.clock + stage_facts(stage.name).time_limit_seconds

    def card_failed(text: str) -> None:
        work.failure = text
        with contextlib.suppress(OSError):
            note_failure(text, environment.device_file)

    progressed()
    try:
        outcome = run_stage(stage, folder, environment=environment, progressed=progressed, card_failed=card_failed)
        work.deadline = float("inf")  # the work is done; the queue is waited for
        _hand_on(stage, broker, folder, outcome)
    except StageError as error:
        _log.error("%s cannot handle %s: %s", stage.name, folder, error)
    except OSError as error:
        work.deadline = float("inf")
        _log.error("%s cannot note anything in %s, trying again: %s", stage.name, folder, error)
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
    """Keeps the clock and the time limit, until the worker is to end."""
    while not work.stop.wait(_TICK_SECONDS):
        work.clock += _TICK_SECONDS
        if work.clock >= work.deadline:
            limit = stage_facts(stage.name).time_limit_seconds
            _end(stage, work, f"It made no progress for its time limit of {limit} s.", status=1, counts=True)


def _end(stage: AnyStage, work: _Work, reason: str, *, status: int, counts: bool) -> NoReturn:
    """Ends this process at once: nothing half-done can stay, for a result only stands when its folder was renamed."""
    folder = work.folder
    if folder is not None:
        _log.info("%s leaves %s: %s", stage.name, folder.name, reason)
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
