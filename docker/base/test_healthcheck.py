"""The probe of the health checks: when it reports, and when it stays."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROBE = Path(__file__).parent / "healthcheck.sh"


class Container:
    """A folder in place of a container's /tmp; the file `well` exists while the service is healthy."""

    def __init__(self, folder: Path) -> None:
        self.well = folder / "well"
        self.healthy_at = folder / "healthy-at"
        self._folder = folder
        self._hangs = folder / "hangs"
        self._clock = folder / "clock"
        self._waits = folder / "waits"
        self._probe = folder / "healthcheck.sh"
        self._probe.write_text(PROBE.read_text().replace("/tmp/", f"{folder}/"))  # noqa: S108
        self._environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        # The pauses are short here, and noted; the test sets the clock; a check that hangs has a second.
        self._replace("sleep", f'echo "$1" >>{self._waits}; exec /bin/sleep 0.01')
        self._replace("date", f"exec cat {self._clock}")
        self._replace("timeout", f'test -e {self._hangs} && limit=1 || limit=$1; shift; exec /bin/timeout $limit "$@"')
        self.set_clock(0)

    def _replace(self, program: str, script: str) -> None:
        """Puts a script in place of a program that the probe runs."""
        path = self._folder / program
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def set_clock(self, seconds: int) -> None:
        """Sets the clock that the probe reads."""
        new = self._folder / "clock.new"
        new.write_text(f"{1_700_000_000 + seconds}\n")
        new.replace(self._clock)

    def hang(self) -> None:
        """Lets every check hang from now on."""
        self._hangs.touch()

    @contextmanager
    def probe(self) -> Iterator[subprocess.Popen[bytes]]:
        """A probe that runs meanwhile."""
        check = f"test ! -e {self._hangs} || /bin/sleep 600; test -e {self.well}"
        started = subprocess.Popen(["/bin/sh", self._probe, check], env=self._environment)
        try:
            yield started
        finally:
            started.kill()
            started.wait()

    def answer(self) -> int:
        """The exit status of a probe, run to its end."""
        with self.probe() as started:
            return started.wait(60)

    def waits(self) -> list[str]:
        """The seconds of each pause of the probes."""
        return self._waits.read_text().split() if self._waits.exists() else []


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """One whose service is not healthy yet."""
    return Container(tmp_path)


def keeps_waiting(container: Container, probe: subprocess.Popen[bytes]) -> bool:
    """Whether the probe still runs after a few more pauses."""
    before = len(container.waits())
    eventually(lambda: probe.poll() is not None or len(container.waits()) > before + 3)
    return probe.poll() is None


def ends_after_ten_minutes(container: Container, probe: subprocess.Popen[bytes]) -> int:
    """The exit status of a probe that waits until its end by the clock, and no longer."""
    assert keeps_waiting(container, probe)
    container.set_clock(599)
    assert keeps_waiting(container, probe)
    container.set_clock(600)
    return probe.wait(60)


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_waits_for_a_service_that_starts_and_reports_when_it_is_healthy(container: Container) -> None:
    with container.probe() as probe:
        assert keeps_waiting(container, probe)
        container.well.touch()
        assert probe.wait(60) == 0
    assert set(container.waits()) == {"0.5"}


def test_it_gives_up_after_ten_minutes_on_a_service_that_does_not_start(container: Container) -> None:
    with container.probe() as probe:
        assert ends_after_ten_minutes(container, probe) == 1


def test_it_stays_with_a_healthy_service_and_reports_when_it_no_longer_is(container: Container) -> None:
    container.well.touch()
    assert container.answer() == 0
    assert container.waits() == []
    with container.probe() as probe:
        assert keeps_waiting(container, probe)
        container.well.unlink()
        assert probe.wait(60) == 1
    assert set(container.waits()) == {"30"}


def test_it_reports_after_ten_minutes_that_a_service_is_still_healthy(container: Container) -> None:
    container.well.touch()
    assert container.answer() == 0
    with container.probe() as probe:
        assert ends_after_ten_minutes(container, probe) == 0


def test_a_check_that_hangs_has_failed(container: Container) -> None:
    container.well.touch()
    assert container.answer() == 0
    with container.probe() as probe:
        assert keeps_waiting(container, probe)
        container.hang()
        assert probe.wait(60) == 1


def test_a_check_that_hangs_at_the_start_does_not_outlive_the_probe(container: Container) -> None:
    container.hang()
    with container.probe() as probe:
        eventually(lambda: len(container.waits()) > 0)
        container.set_clock(600)
        assert probe.wait(60) == 1


def test_it_reports_at_once_that_a_service_is_healthy_again(container: Container) -> None:
    """Also after a restart of the engine or a pause of the container: the engine may have forgotten the last report."""
    container.well.touch()
    assert container.answer() == 0
    os.utime(container.healthy_at, (time.time() - 60, time.time() - 60))
    assert container.answer() == 0
    assert container.waits() == []
