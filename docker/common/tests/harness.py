"""A real queue and real workers, for tests that kill them."""

import contextlib
import inspect
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from cp_whisperx.environment import Environment

COMMON = Path(__file__).parent.parent


PATIENCE = 120.0
"""Seconds after which something will not come any more, also on a busy machine."""


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until a condition holds; fails, naming the line that waits, where there is no hope left."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            line = "".join(inspect.stack()[1].code_context or ()).strip()
            pytest.fail(f"not within {PATIENCE:.0f} s: {line}")
        time.sleep(0.05)


def variables(environment: Environment) -> dict[str, str]:
    """The environment of a program of ours that stands where `environment` says."""
    values = {name.upper(): str(value) for name, value in environment if value is not None}
    return {**os.environ, **values, "PYTHONPATH": str(COMMON)}


@dataclass
class Queue:
    """A Redis server of our own."""

    folder: Path
    port: int
    server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts the server with what it knew before, and waits until it answers."""
        program = shutil.which("redis-server")
        assert program, "the tests need redis-server: apt-get install redis-server"
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self.server = subprocess.Popen([program, *arguments, *durable], stdout=subprocess.DEVNULL)
        eventually(self.answers)

    def answers(self) -> bool:
        """Whether it is there."""
        with contextlib.suppress(redis.RedisError):
            return bool(redis.Redis(port=self.port).ping())
        return False

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Lets it stand still meanwhile: as slow as can be, and alive."""
        assert self.server
        self.server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.server.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it without a word."""
        if self.server:
            self.server.kill()
            self.server.wait()


@dataclass
class Workers:
    """Workers as processes of their own."""

    environment: Environment
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, stage: str, seconds: float = 0.0, time_limit: int = 600) -> subprocess.Popen[bytes]:
        """Starts one and waits until it is healthy."""
        self.environment.health_file.unlink(missing_ok=True)
        worker = subprocess.Popen(
            [sys.executable, str(COMMON / "tests" / "fake_stage.py"), stage, str(seconds), str(time_limit)],
            env=variables(self.environment),
        )
        self.running.append(worker)
        eventually(self.environment.health_file.exists)
        return worker

    def kill_all(self) -> None:
        """Ends all that still run."""
        for worker in self.running:
            worker.kill()
            worker.wait()
