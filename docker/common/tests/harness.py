"""A real queue and real workers, for tests that kill them."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import redis

from cp_whisperx.environment import Environment

COMMON = Path(__file__).parent.parent


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits until a condition holds; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
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
