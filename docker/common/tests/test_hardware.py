"""The cache of what hardware there is: when it is used, and what spoils it."""

import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from cp_whisperx import hardware
from cp_whisperx.devices import Device, Found
from cp_whisperx.files import read_document
from cp_whisperx.hardware import FILE_NAME, Gpu, HardwareCache, HardwareProfile, hardware_profile

CARDS = Found((Device("cuda", "NVIDIA L4", 23_034), Device("cuda", "NVIDIA T4", 15_000, index=1)), "570.86.15", "12.8")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Probe:
    """Finds this, and counts how often it was asked."""

    def __init__(self, found: Found = CARDS) -> None:
        self.found = found
        self.count = 0

    def __call__(self) -> Found:
        self.count += 1
        return self.found


def look(
    folder: Path, probe: Probe, after: timedelta = timedelta(), device: Device = CARDS.cards[0]
) -> HardwareProfile:
    return hardware_profile(folder, device, find=probe, now=lambda: NOON + after)


def test_cards_are_looked_for_once_an_hour(tmp_path: Path) -> None:
    probe = Probe()
    profile = look(tmp_path, probe)
    assert profile.gpus[0] == Gpu(name="NVIDIA L4", memory_megabytes=23_034, driver="570.86.15", cuda="12.8")
    assert profile.cores >= 1
    assert profile.memory_megabytes > 0
    for minutes in (0, 1, 59):
        assert look(tmp_path, probe, timedelta(minutes=minutes)) == profile
    assert probe.count == 1
    look(tmp_path, probe, timedelta(minutes=60))
    look(tmp_path, probe, timedelta(minutes=119))
    assert probe.count == 2


def test_a_clock_that_went_backwards_is_not_trusted(tmp_path: Path) -> None:
    probe = Probe()
    look(tmp_path, probe)
    look(tmp_path, probe, timedelta(seconds=-1))
    assert probe.count == 2
    look(tmp_path, probe)
    assert probe.count == 2


def test_a_machine_without_cards_is_looked_at_again_each_time(tmp_path: Path) -> None:
    assert look(tmp_path, Probe(Found(problem="no driver"))).gpus == ()
    before = (tmp_path / FILE_NAME).stat().st_mtime_ns
    probe = Probe(Found(problem="no driver"))
    look(tmp_path, probe)
    assert probe.count == 1
    assert (tmp_path / FILE_NAME).stat().st_mtime_ns == before
    assert look(tmp_path, Probe()).gpus[0].name == "NVIDIA L4"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\x80\xff",
        b"[]",
        b'{"schema_version": 99}',
        b'{"schema_version": 2, "profiles": {"x": {"found": 1}}}',
    ],
)
def test_a_broken_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    probe = Probe()
    look(tmp_path, probe)
    look(tmp_path, probe)
    assert probe.count == 1
    assert len(read_document(tmp_path / FILE_NAME, HardwareCache).profiles) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("host_identity", "another start"), ("cores", 77), ("environment", "1")],
)
def test_other_circumstances_have_an_entry_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    probe = Probe()
    look(tmp_path, probe)
    with monkeypatch.context() as other:
        if name == "environment":
            other.setenv("NVIDIA_VISIBLE_DEVICES", str(value))
        else:
            other.setattr(hardware, name, lambda: value)
        look(tmp_path, probe)
    look(tmp_path, probe)
    assert probe.count == 2
    assert len(read_document(tmp_path / FILE_NAME, HardwareCache).profiles) == 2


def test_old_entries_of_others_go_when_one_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look(tmp_path, Probe())
    monkeypatch.setattr(hardware, "host_identity", lambda: "another host")
    look(tmp_path, Probe(), timedelta(hours=2))
    (entry,) = read_document(tmp_path / FILE_NAME, HardwareCache).profiles.values()
    assert entry.host == "another host"


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "out"
    if kind == "file":
        folder.write_text("no folder")
    assert look(folder, Probe()).gpus[0].name == "NVIDIA L4"


def as_host(folder: Path, number: int) -> None:
    for start in range(5):
        with patch("cp_whisperx.hardware.host_identity", return_value=f"host {number}, start {start}"):
            look(folder, Probe())


def test_workers_that_look_at_the_same_time_keep_each_others_entries(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=as_host, args=(tmp_path, number)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * 8
    profiles = read_document(tmp_path / FILE_NAME, HardwareCache).profiles
    hosts = sorted(entry.host for entry in profiles.values())
    assert hosts == [f"host {number}, start {start}" for number in range(8) for start in range(5)]


def test_a_profile_seen_from_a_device_has_that_card_alone(tmp_path: Path) -> None:
    profile = look(tmp_path, Probe())
    assert [gpu.name for gpu in profile.seen_from(CARDS.cards[1]).gpus] == ["NVIDIA T4"]
    behind_a_faulty_one = look(tmp_path / "other", Probe(replace(CARDS, cards=CARDS.cards[1:])))
    assert [gpu.name for gpu in behind_a_faulty_one.seen_from(CARDS.cards[1]).gpus] == ["NVIDIA T4"]
    assert profile.seen_from(Device("cpu", "processor", 1)).gpus == ()


def test_another_card_is_looked_at_though_nothing_else_changed(tmp_path: Path) -> None:
    """gpu.devices with CDI leaves no trace in the environment."""
    look(tmp_path, Probe())
    other = Device("cuda", "NVIDIA T4", 15_000)
    profile = look(tmp_path, Probe(Found((other,), "570.86.15", "12.8")), device=other)
    assert [gpu.name for gpu in profile.seen_from(other).gpus] == ["NVIDIA T4"]


def test_a_card_that_was_not_found_a_moment_ago_is_looked_for_again(tmp_path: Path) -> None:
    look(tmp_path, Probe(replace(CARDS, cards=CARDS.cards[1:])))
    assert look(tmp_path, Probe()).seen_from(CARDS.cards[0]).gpus
