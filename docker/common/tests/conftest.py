"""What the tests of the shared package are given."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cp_whisperx.environment import Environment
from harness import Queue, Workers


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """A Redis server on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "redis"
    folder.mkdir()
    server = Queue(folder, port)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def places(tmp_path: Path) -> Environment:
    """Film folders of our own, and a queue that does not answer."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    return Environment(
        films_in=tmp_path / "in",
        films_out=tmp_path / "out",
        redis_url="redis://127.0.0.1:1/0",
        health_file=tmp_path / "healthy",
        device_file=tmp_path / "device",
        cp_whisperx_image="registry/image@sha256:1",
    )


@pytest.fixture
def workers(queue: Queue, places: Environment) -> Iterator[Workers]:
    """Workers of that queue; none outlives its test."""
    started = Workers(places.model_copy(update={"redis_url": queue.url}))
    yield started
    started.kill_all()
