"""Which device is taken, and what is said where none can be."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cp_whisperx import devices
from cp_whisperx.cuda_driver import CudaError, open_driver
from cp_whisperx.devices import (
    Device,
    Found,
    check_device,
    choose_device,
    describe,
    find_gpus,
    note_device,
    note_failure,
)
from cp_whisperx.errors import StageError
from fake_cuda import FakeCard, FakeCuda
from harness import COMMON, PATIENCE

CARDS = Found((Device("cuda", "A", 8000, 100, 0), Device("cuda", "B", 8000, 7000, 1)), "570.86.15", "12.8")
NONE = Found(problem="no driver", way_out="Install one,")


def test_the_driver_tells_its_cards_and_all_that_was_opened_is_closed() -> None:
    cuda = FakeCuda([FakeCard(), FakeCard("NVIDIA H100", 81_559, 500)])
    found = find_gpus(cuda.start)
    assert found.cards == (
        Device("cuda", "NVIDIA L4", 23_034, 22_500, 0),
        Device("cuda", "NVIDIA H100", 81_559, 500, 1),
    )
    assert (found.driver, found.cuda, found.problem) == ("570.86.15", "12.8", "")
    assert (cuda.opened, cuda.held, cuda.current) == ([0, 1], [], [])


def test_a_missing_driver_is_said_with_the_toolkit_as_way_out() -> None:
    found = find_gpus(lambda: open_driver("libnone.so.1"))
    assert "libnone.so.1: cannot open" in found.problem
    assert "Container Toolkit" in found.way_out


@pytest.mark.parametrize("cuda", [FakeCuda(init=100), FakeCuda()])
def test_a_driver_without_a_card_is_said_with_what_hides_it(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "void")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = find_gpus(cuda.start)
    assert found.problem == "the NVIDIA driver is installed and shows no GPU (NVIDIA_VISIBLE_DEVICES=void)"
    assert "gpu.devices" in found.way_out


def test_a_driver_that_is_too_old_is_said_with_both_versions() -> None:
    found = find_gpus(FakeCuda([FakeCard()], version=11_040).start)
    assert found.cards == ()
    assert "570.86.15 supports CUDA 11.4" in found.problem
    assert "12.0" in found.problem


@pytest.mark.parametrize(("code", "name"), [(46, "CUDA_ERROR_DEVICE_UNAVAILABLE"), (803, "gave 803")])
def test_a_card_that_refuses_is_said_in_the_words_of_the_driver(code: int, name: str) -> None:
    found = find_gpus(FakeCuda([FakeCard(opening=code)]).start)
    assert found.cards == ()
    assert name in found.problem
    assert "nvidia-smi" in found.way_out


@pytest.mark.parametrize("card", [FakeCard(opening=2), FakeCard(opening=46, mode=3)])
def test_a_full_card_or_one_kept_for_a_process_is_there(card: FakeCard) -> None:
    (device,) = find_gpus(FakeCuda([card]).start).cards
    assert device.free_megabytes is None


def test_the_card_with_most_room_is_taken() -> None:
    assert choose_device("auto", allow_cpu=True, find=lambda: CARDS).torch_name == "cuda:1"
    assert choose_device("cuda", allow_cpu=False, find=lambda: CARDS).title == "cuda:1 (B)"


def test_services_that_share_cards_take_the_one_that_is_theirs() -> None:
    def card_of(service: str) -> Device:
        services = {"asr": 6000, "diarization": 3000}
        return choose_device("auto", allow_cpu=False, services=services, service=service, find=lambda: CARDS)

    assert (card_of("asr").index, card_of("asr").share_megabytes) == (0, 6000)
    assert (card_of("diarization").index, card_of("diarization").share_megabytes) == (1, 3000)
    assert (card_of("another").index, card_of("another").share_megabytes) == (1, None)


def test_a_worker_is_told_by_its_environment_who_shares_its_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(devices, "choose_device", lambda wanted, **options: given.update(wanted=wanted, **options))
    for name, value in {"DEVICE": "auto", "GPU_SERVICES": '{"asr": 6144}', "SERVICE_NAME": "asr"}.items():
        monkeypatch.setenv(name, value)
    devices.device_in_use.__wrapped__()
    assert given == {"wanted": "auto", "allow_cpu": True, "services": {"asr": 6144}, "service": "asr"}
    monkeypatch.setenv("GPU_SERVICES", '{"asr": "much"}')
    with pytest.raises(StageError, match="GPU_SERVICES"):
        devices.device_in_use.__wrapped__()


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_without_a_card_the_processor_is_taken_only_where_it_is_allowed(wanted: Any) -> None:
    device = choose_device(wanted, allow_cpu=True, find=lambda: NONE)
    assert (device.title, device.torch_name, device.reason) == ("cpu", "cpu", "no driver")
    assert device.memory_megabytes > 0
    with pytest.raises(StageError) as refused:
        choose_device(wanted, allow_cpu=False, find=lambda: NONE)
    assert refused.value.reason == f"No GPU can be used: no driver (DEVICE={wanted}, ALLOW_CPU=false)."
    assert refused.value.way_out.startswith("Install one, or let")
    assert "allowCpu: true" in refused.value.way_out


def test_a_card_that_fails_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    cards = [FakeCard(opening=719), FakeCard(lost=999), FakeCard("NVIDIA T4"), FakeCard("Tesla P40", capability=(6, 1))]
    found = find_gpus(FakeCuda(cards).start)
    assert [(card.name, card.index) for card in found.cards] == [("NVIDIA T4", 2)]
    assert found.problem == ""
    assert [text.split(" (")[0] for text in found.unfit] == ["GPU 0 cannot be used", "GPU 1 cannot be used", "GPU 3"]
    assert choose_device("auto", allow_cpu=True, find=lambda: found).torch_name == "cuda:2"
    assert [record.getMessage() for record in caplog.records] == [f"not used: {text}" for text in found.unfit]
    assert describe(found, Device("cpu", "processor", 1))[1] == f"not used: {found.unfit[0]}"


def test_a_card_that_is_too_old_for_the_libraries_is_said_with_both_capabilities() -> None:
    found = find_gpus(FakeCuda([FakeCard("Tesla P40", capability=(6, 1))]).start)
    assert found.problem == "GPU 0 (Tesla P40) has compute capability 6.1, and the libraries here need 7.0"
    assert "gpu.devices" in found.way_out
    assert find_gpus(FakeCuda([FakeCard("Tesla V100", capability=(7, 0))]).start).cards


def test_device_cpu_gets_the_cpu_without_asking_the_driver() -> None:
    def never() -> Found:
        raise AssertionError

    assert choose_device("cpu", allow_cpu=True, find=never).kind == "cpu"
    with pytest.raises(StageError, match=r"DEVICE=cpu .* ALLOW_CPU=false"):
        choose_device("cpu", allow_cpu=False, find=never)


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    path = tmp_path / "device"
    note_device(Device("cuda", "NVIDIA L4", 8000, index=1), path)
    return path


def test_the_check_asks_for_the_card_opens_none_and_leaves_a_sign(noted: Path) -> None:
    cuda = FakeCuda([FakeCard("NVIDIA T4"), FakeCard()])
    answered = noted.with_name("device-answered")
    assert not answered.exists()
    assert check_device(noted, cuda.start) == "cuda:1 (NVIDIA L4)"
    assert cuda.opened == []
    assert answered.exists()


@pytest.mark.parametrize(
    "cuda",
    [
        FakeCuda(init=100),
        FakeCuda([FakeCard()]),
        FakeCuda([FakeCard(), FakeCard(lost=999)]),
        FakeCuda([FakeCard(), FakeCard("NVIDIA T4")]),
    ],
)
def test_a_card_that_is_lost_fails_the_check(noted: Path, cuda: FakeCuda) -> None:
    with pytest.raises(StageError, match="GPU 1, which this worker uses, does not respond"):
        check_device(noted, cuda.start)
    assert not noted.with_name("device-answered").exists()


def test_a_card_that_failed_in_the_worker_fails_the_check_at_once(noted: Path) -> None:
    cuda = FakeCuda([FakeCard(), FakeCard()])
    check_device(noted, cuda.start)
    note_failure("an illegal memory access was encountered", noted)
    assert not noted.with_name("device-answered").exists()
    with pytest.raises(StageError, match="GPU 1 failed in this worker: an illegal memory access"):
        check_device(noted, cuda.start)


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "cuda"}'])
def test_a_damaged_note_fails_the_check(noted: Path, content: str) -> None:
    noted.write_text(content)
    with pytest.raises(StageError, match="is damaged"):
        check_device(noted)


def run_module(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cp_whisperx.devices", *arguments],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(COMMON), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_the_check_of_a_worker_without_a_gpu(tmp_path: Path) -> None:
    path = tmp_path / "device"
    missing = run_module("--check", DEVICE_FILE=str(path))
    assert (missing.returncode, missing.stdout[:28]) == (1, "No worker has written its de")
    note_device(Device("cpu", "processor", 1, reason="no driver"), path)
    found = run_module("--check", DEVICE_FILE=str(path))
    assert (found.returncode, found.stdout.strip()) == (0, "cpu: no driver")


def test_an_error_of_another_kind_is_not_taken_for_a_driver_that_hangs(
    noted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "check_device", lambda _path: 1 / 0)
    monkeypatch.setenv("DEVICE_FILE", str(noted))
    assert devices.main(["--check"]) == 1
    assert "ZeroDivisionError: " in capsys.readouterr().out


def test_a_driver_that_hangs_fails_the_check_in_time(
    noted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(devices, "check_device", lambda _path: threading.Event().wait())
    monkeypatch.setenv("DEVICE_FILE", str(noted))
    assert devices.main(["--check"]) == 1
    assert "did not respond within" in capsys.readouterr().out


def test_what_is_there_is_told_to_people_and_to_programs() -> None:
    host = Device("cpu", "processor", 4096, 1024)
    assert describe(CARDS, host)[1:] == [
        "cuda:1 (B): 8000 MiB, 7000 MiB free, driver 570.86.15, CUDA 12.8",
        "cpu: 4096 MiB, 1024 MiB free",
    ]
    assert describe(NONE, host)[0] == "no GPU: no driver"
    told = json.loads(run_module("--json").stdout)
    assert told["processor"]["kind"] == "cpu"
    assert told["cards"] == []
    assert told["problem"]


def test_the_check_starts_without_the_libraries() -> None:
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cp_whisperx.devices"],
        env={**os.environ, "PYTHONPATH": str(COMMON)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pydantic" not in listed.stderr


def test_an_unknown_code_is_still_an_error() -> None:
    cuda = FakeCuda(init=1)
    with pytest.raises(CudaError, match="cuInit gave 1"):
        cuda.start()
