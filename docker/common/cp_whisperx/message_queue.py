"""The queue, with Dramatiq on Redis: one queue for each stage, and one message for each job, with the job's folder.

A message belongs to its worker until the worker acknowledges it. A worker's id is its stage, not a random number: when
it restarts, it requeues its unacknowledged messages at once. So no timeout has to decide that a worker is dead, and a
slow worker keeps its message.
"""

import logging
import math
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import redis
from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.common import current_millis
from dramatiq.errors import BrokerConnectionError, ConnectionClosed
from redis.backoff import NoBackoff
from redis.retry import Retry

from cp_whisperx.errors import StageError

ACTOR: Final = "run-stage"
_LONGEST_PAUSE: Final = 5.0
_KEEPALIVE: Final = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
"""An idle worker sends nothing, so TCP keepalive detects within a minute that Redis is gone."""


class QueueAway(StageError):  # noqa: N818 - reads as what happened
    """The queue did not answer within the timeout."""


_log: Final = logging.getLogger("cp_whisperx.queue")


class _Client(redis.Redis):
    """A client that reports each answer of Redis and turns every error into a lost connection.

    Dramatiq reconnects after a lost connection. Any other error can end its thread, and the worker gets no more jobs.
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


class _Consumer(_RedisConsumer):
    """Waits in Redis for a message. Dramatiq's own consumer polls: it asks, sleeps and asks again."""

    def __init__(self, broker: RedisBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self._list = f"{broker.namespace}:{queue_name}"
        self._due: dict[str, int] = {}
        """When the delayed messages in hand are due, in milliseconds since 1970, by their ids."""
        self._acknowledged = threading.Event()

    def __next__(self) -> MessageProxy | None:
        """The next message; None when a delayed one is due, and at the latest after the timeout."""
        self._wait()
        self.misses = 0  # without a message Dramatiq sleeps for 10 ms, and for longer each time
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        if message is not None:
            self._acknowledged.clear()
            if "eta" in message.options:
                self._due[message.message_id] = message.options["eta"]
        return message

    def ack(self, message: MessageProxy) -> None:
        """Acknowledges the message, so that the next one can be fetched."""
        self._due.pop(message.message_id, None)
        super().ack(message)  # type: ignore[no-untyped-call]
        self._acknowledged.set()

    def _wait(self) -> None:
        due = min(self._due.values(), default=math.inf)
        seconds = min(self.timeout, due - current_millis()) / 1000
        if self.message_cache or seconds <= 0:
            return
        if self.outstanding_message_count < self.prefetch:
            # From the head of the list to its head: waits for a message without moving it.
            self.broker.client.blmove(self._list, self._list, seconds, "LEFT", "LEFT")
        else:
            self._acknowledged.wait(seconds)


class _WorkerBroker(RedisBroker):
    """The broker of a stage's only worker."""

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> _Consumer:
        """Starts to consume, at the start or after a lost connection; requeues the unacknowledged messages first."""
        taken = self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}")
        if taken:
            self.do_requeue(queue_name, *taken)
        return _Consumer(self, queue_name, prefetch, timeout)


def open_broker(url: str) -> RedisBroker:
    """A broker for programs that only send. Connects on first use."""
    return RedisBroker(client=_client(url, answer_seconds=30), middleware=[])  # type: ignore[no-untyped-call]


def open_worker_broker(url: str, stage: str, on_answer: Callable[[], object]) -> RedisBroker:
    """A broker for the worker of `stage`. It waits for a slow Redis and calls `on_answer` at each answer.

    It has no Dramatiq middleware: the runner counts the attempts.
    """
    client = _client(url, answer_seconds=None, on_answer=on_answer)
    broker = _WorkerBroker(client=client, middleware=[])  # type: ignore[no-untyped-call]
    broker.broker_id = stage
    return broker


def _client(url: str, answer_seconds: float | None, on_answer: Callable[[], object] = lambda: None) -> _Client:
    """With None for `answer_seconds`, a connection ends only when TCP keepalive fails."""
    pool = redis.ConnectionPool.from_url(
        url,
        socket_connect_timeout=10,
        socket_timeout=answer_seconds,
        socket_keepalive=True,
        socket_keepalive_options=_KEEPALIVE,
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
    """Queues the job in `folder` for the worker of `stage`.

    Retries for `patience_seconds` (default: without limit), then raises QueueAway.
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
            _log.warning("the queue does not answer (%s), retrying in %.1f s", error, pause)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        else:
            return
