"""The queue: one message is the folder of a job, one queue is a stage. Redis holds it, Dramatiq keeps it honest.

A message belongs to its worker until the worker says that it is done. A worker that dies stops its heartbeat; the next
look of another worker, or of the same one after its restart, then puts the message back (`maintenance`).
"""

import logging
import time
from pathlib import Path
from typing import Final

import redis
from dramatiq import Message
from dramatiq.brokers.redis import MAINTENANCE_SCALE, RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from cp_whisperx.errors import StageError

ACTOR: Final = "run-stage"
HEARTBEAT_TIMEOUT_MS: Final = 20_000
"""After this time without a sign of life a worker counts as dead. A worker gives one every second or oftener."""
_MAINTENANCE_ALWAYS: Final = MAINTENANCE_SCALE


class QueueAway(StageError):  # noqa: N818 - reads as what happened
    """The queue does not answer, and did not for as long as there was patience."""


_log: Final = logging.getLogger("cp_whisperx.queue")


def open_broker(url: str) -> RedisBroker:
    """A broker for the queue at `url`; connects on first use. No Dramatiq middleware: the runner counts the tries."""
    client = redis.Redis.from_url(
        url,
        socket_connect_timeout=3,
        socket_timeout=10,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        client_name="cp-whisperx",
    )
    return RedisBroker(  # type: ignore[no-untyped-call]
        client=client,
        middleware=[],
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=_MAINTENANCE_ALWAYS,
    )


def send(
    broker: RedisBroker, stage: str, folder: Path, *, delay_seconds: float = 0, patience_seconds: float = 0
) -> None:
    """Asks the worker of `stage` to look at the job in `folder`.

    Tries for `patience_seconds`, then raises QueueAway.
    """
    message: Message[None] = Message(queue_name=stage, actor_name=ACTOR, args=(str(folder),), kwargs={}, options={})
    delay = int(delay_seconds * 1000) or None
    deadline = time.monotonic() + patience_seconds
    pause = 0.2
    while True:
        try:
            broker.enqueue(message, delay=delay)
        except redis.RedisError as error:
            if time.monotonic() + pause > deadline:
                raise QueueAway(
                    f"The queue does not answer: {error}.",
                    "Start the queue (`make up`), then `cp-whisperx resume JOB`.",
                ) from error
            _log.warning("the queue does not answer (%s), trying again in %.1f s", error, pause)
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
        else:
            return


def give_back(broker: RedisBroker, stage: str) -> None:
    """Puts every message that this process has taken and not finished back into the queue, at once."""
    for queue in (stage, f"{stage}.DQ"):
        taken = broker.client.smembers(f"{broker.namespace}:__acks__.{broker.broker_id}.{queue}")
        if taken:
            broker.do_requeue(queue, *taken)
    broker.client.zrem(f"{broker.namespace}:__heartbeats__", broker.broker_id)
