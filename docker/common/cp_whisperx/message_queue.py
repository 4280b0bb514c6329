"""The queue: one message is the folder of a job, one queue is a stage. Redis holds it, Dramatiq keeps it honest.

A message belongs to its worker until the worker says that it is done. Workers are known by their stage, not by a random
number: one that starts again, after whatever ended it, takes back at once what it had. So nobody has to guess from
silence that a worker is dead, and a slow one keeps its message.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import redis
from dramatiq import Message
from dramatiq.broker import Consumer
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError, ConnectionClosed
from redis.backoff import NoBackoff
from redis.retry import Retry

from cp_whisperx.errors import StageError

ACTOR: Final = "run-stage"
_LONGEST_PAUSE: Final = 5.0


class QueueAway(StageError):  # noqa: N818 - reads as what happened
    """The queue does not answer, and did not for as long as there was patience."""


_log: Final = logging.getLogger("cp_whisperx.queue")


class _Client(redis.Redis):
    """A client that says when Redis answers, and calls every failure a lost connection.

    After that Dramatiq connects again. Any other error can end its thread, and no job would come any more.
    """

    def __init__(self, pool: redis.ConnectionPool, on_answer: Callable[[], object]) -> None:
        super().__init__(connection_pool=pool)
        self._on_answer = on_answer

    def execute_command(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis.Redis has it
        """Sends one command."""
        try:
            answer = super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]
        except redis.exceptions.NoScriptError:  # redis.Redis then sends the script
            raise
        except redis.RedisError as error:
            raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]
        self._on_answer()
        return answer


class _WorkerBroker(RedisBroker):
    """The broker of the one worker of a stage."""

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Begins to consume, at the start or after a lost connection: what this worker had is in nobody's hands."""
        taken = self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}")
        if taken:
            self.do_requeue(queue_name, *taken)
        return super().consume(queue_name, prefetch, timeout)


def open_broker(url: str) -> RedisBroker:
    """A broker for programs that send. Connects on first use."""
    return RedisBroker(client=_client(url, answer_seconds=30), middleware=[])  # type: ignore[no-untyped-call]


def open_worker_broker(url: str, stage: str, on_answer: Callable[[], object]) -> RedisBroker:
    """A broker for the worker of `stage`. It waits for a slow Redis, and calls `on_answer` at each answer.

    It has no Dramatiq middleware: the runner counts the tries.
    """
    client = _client(url, answer_seconds=None, on_answer=on_answer)
    broker = _WorkerBroker(client=client, middleware=[])  # type: ignore[no-untyped-call]
    broker.broker_id = stage
    return broker


def _client(url: str, answer_seconds: float | None, on_answer: Callable[[], object] = lambda: None) -> _Client:
    """With None for `answer_seconds` a connection ends only when the other side's kernel stops to answer."""
    pool = redis.ConnectionPool.from_url(
        url,
        socket_connect_timeout=10,
        socket_timeout=answer_seconds,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        client_name="cp-whisperx",
    )
    return _Client(pool, on_answer)


def send(
    broker: RedisBroker,
    stage: str,
    folder: Path,
    *,
    delay_seconds: float = 0,
    patience_seconds: float = float("inf"),
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
        except BrokerConnectionError as error:
            if time.monotonic() + pause > deadline:
                raise QueueAway(
                    f"The queue does not answer: {error}.",
                    "Start the queue (`make up`), then `cp-whisperx resume JOB`.",
                ) from error
            _log.warning("the queue does not answer (%s), trying again in %.1f s", error, pause)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        else:
            return
