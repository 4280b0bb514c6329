"""The probe of the health checks: when it answers, and when it stays."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROBE = Path(__file__).parent / "healthcheck.sh"


class Container:
    """A place like a container's: a /tmp of its own, where `well` is there while the service is well."""

    def __init__(self, folder: Path) -> None:
        self.well = folder / "well"
        self.said_well = folder / "said-well"
        self.waits = folder / "waits"
        self._probe = folder / "healthcheck.sh"
        self._probe.write_text(PROBE.read_text().replace("/tmp/", f"{folder}/"))  # noqa: S108
        # The pauses are short here, and noted.
        sleep = folder / "sleep"
        sleep.write_text(f'#!/bin/sh\necho "$1" >>{self.waits}\nexec /bin/sleep 0.01\n')
        sleep.chmod(0o755)
        self._environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}

    @contextmanager
    def probe(self) -> Iterator[subprocess.Popen[bytes]]:
        """A probe that runs meanwhile."""
        started = subprocess.Popen(["/bin/sh", self._probe, f"test -e {self.well}"], env=self._environment)
        try:
            yield started
        finally:
            started.kill()
            started.wait()

    def answer(self) -> int:
        """The exit status of a probe, run to its end."""
        with self.probe() as started:
            return started.wait(60)

    def waited(self) -> int:
        """How often probes have slept."""
        return len(self.waits.read_text().split()) if self.waits.exists() else 0


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """One whose service is not well yet."""
    return Container(tmp_path)


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_waits_for_a_service_that_starts_and_says_so_when_it_is_well(container: Container) -> None:
    with container.probe() as probe:
        eventually(lambda: container.waited() > 3)
        assert probe.poll() is None
        container.well.touch()
        assert probe.wait(60) == 0
    assert set(container.waits.read_text().split()) == {"0.5"}


def test_it_gives_up_on_a_service_that_does_not_start(container: Container) -> None:
    assert container.answer() == 1
    assert container.waited() * 0.5 == 600


def test_it_stays_with_a_service_that_is_well_and_says_so_when_it_is_no_more(container: Container) -> None:
    container.well.touch()
    assert container.answer() == 0
    assert container.waited() == 0
    with container.probe() as probe:
        eventually(lambda: container.waited() > 3)
        assert probe.poll() is None
        container.well.unlink()
        assert probe.wait(60) == 1
    assert set(container.waits.read_text().split()) == {"30"}


def test_it_says_after_ten_minutes_that_a_service_is_still_well(container: Container) -> None:
    container.well.touch()
    assert [container.answer(), container.answer()] == [0, 0]
    assert container.waited() * 30 == 600


def test_it_says_at_once_that_a_service_is_well_again(container: Container) -> None:
    """Also after the engine was away or the container was paused: what it heard before may be forgotten."""
    container.well.touch()
    assert container.answer() == 0
    os.utime(container.said_well, (time.time() - 60, time.time() - 60))
    assert container.answer() == 0
    assert container.waited() == 0
