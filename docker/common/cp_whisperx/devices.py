"""Chooses the device that models run on: a usable GPU, or the CPU if that is allowed.

`python -m cp_whisperx.devices` lists the devices, with `--json` for programs. With `--check` it is the health check of
a GPU service: it exits with 0 if the device of this container's worker responds, else with 1 and an error message.
Imports the standard library only, because it runs every minute.
"""

import argparse
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal

from cp_whisperx.cuda_driver import NO_DEVICE, NO_DRIVER, CudaError, Driver, open_driver
from cp_whisperx.errors import StageError
from cp_whisperx.placement import placement
from cp_whisperx.processor import memory

DeviceKind = Literal["cuda", "cpu"]
WantedDevice = Literal["auto", "cuda", "cpu"]

_LEAST_CUDA: Final = (12, 0)
"""The libraries in the images are built for CUDA 12, which needs driver 525 or newer."""
_LEAST_CAPABILITY: Final = (7, 0)
"""torch 2.8 for CUDA 12.8 supports GPUs from Volta on."""
_CHECK_SECONDS: Final = 25.0
"""Timeout for the driver; after that it counts as hanging."""
_HIDING: Final = ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
_FIX_GPU: Final = (
    "Check `nvidia-smi` and `dmesg` on the host, or assign another GPU to this service (gpu.devices), "
    "and restart this container,"
)
_CHECK_HOST: Final = "Check `nvidia-smi` and `dmesg` on the host, then restart this container."
_log: Final = logging.getLogger("cp_whisperx.devices")
_OR_CPU: Final = "or let this stage use the CPU (allowCpu: true, ALLOW_CPU=true)."


@dataclass(frozen=True)
class Device:
    """A GPU or the CPU."""

    kind: DeviceKind
    name: str
    memory_megabytes: int
    """Total MiB: of the GPU, or of the host's memory within the container's limit."""
    free_megabytes: int | None = None
    """Free MiB at the time of the query; None if unknown."""
    index: int = 0
    share_megabytes: int | None = None
    """MiB of the GPU that this worker may use when it shares the GPU; None: all."""
    reason: str = ""
    """Why the CPU is used although a GPU was allowed."""

    @property
    def torch_name(self) -> str:
        """The name in torch: cuda:0, cpu."""
        return f"cuda:{self.index}" if self.kind == "cuda" else "cpu"

    @property
    def title(self) -> str:
        """For people: `cuda:0 (NVIDIA L4)`, `cpu`."""
        return f"{self.torch_name} ({self.name})" if self.kind == "cuda" else "cpu"


@dataclass(frozen=True)
class Found:
    """The GPUs that NVIDIA's driver offers to this process."""

    cards: tuple[Device, ...] = ()
    """The usable GPUs."""
    driver: str = ""
    """Release of the driver; empty if unknown."""
    cuda: str = ""
    """The newest CUDA version that the driver supports."""
    unfit: tuple[str, ...] = ()
    """Each GPU that cannot be used, and why, as a clause."""
    problem: str = ""
    """Why no GPU is usable, as a clause; empty if one is."""
    way_out: str = ""


def find_gpus(start: Callable[[], Driver] = open_driver) -> Found:
    """The GPUs that are usable now, each opened once to make sure; or why there is none, and how to fix it."""
    try:
        driver = start()
        count = driver.count()
    except CudaError as error:
        return _refused(error)
    cuda = f"{driver.cuda[0]}.{driver.cuda[1]}"
    if driver.cuda < _LEAST_CUDA:
        return _too_old(driver, cuda)
    if count == 0:
        return _refused(CudaError(NO_DEVICE, ""))
    looked_at = [_look_at(driver, index) for index in range(count)]
    gpus = tuple(each for each in looked_at if isinstance(each, Device))
    unfit = tuple(each for each in looked_at if isinstance(each, str))
    found = Found(gpus, driver.release, cuda, unfit)
    return found if gpus else replace(found, problem="; ".join(unfit), way_out=_FIX_GPU)


def _look_at(driver: Driver, index: int) -> Device | str:
    """A GPU that could be opened, or why it cannot be used: a broken GPU must not hide the others."""
    try:
        gpu = driver.card(index)
        if gpu.capability < _LEAST_CAPABILITY:
            has, needs = (".".join(map(str, each)) for each in (gpu.capability, _LEAST_CAPABILITY))
            return f"GPU {index} ({gpu.name}) has compute capability {has}, and the libraries here need {needs}"
        return Device("cuda", gpu.name, gpu.memory, driver.free_memory(index), index)
    except CudaError as error:
        return f"GPU {index} cannot be used ({error})"


def _too_old(driver: Driver, cuda: str) -> Found:
    needed = f"{_LEAST_CUDA[0]}.{_LEAST_CUDA[1]}"
    return Found(
        driver=driver.release,
        cuda=cuda,
        problem=f"the NVIDIA driver {driver.release} supports CUDA {cuda}, and the libraries here need {needed}",
        way_out="Install NVIDIA driver 525 or newer on the host,",
    )


def _refused(error: CudaError) -> Found:
    if error.name == NO_DRIVER:
        return Found(
            problem=f"no NVIDIA driver is visible here ({error.text})",
            way_out="Install the NVIDIA Container Toolkit on the host and give this service a GPU (gpu.devices: all),",
        )
    if error.name == NO_DEVICE:
        hidden = {name: os.environ[name] for name in _HIDING if name in os.environ}
        settings = ", ".join(f"{name}={value}" for name, value in hidden.items())
        return Found(
            problem=f"the NVIDIA driver is installed and shows no GPU{f' ({settings})' if settings else ''}",
            way_out="Give this service a GPU (gpu.devices: all, a count, or ids),",
        )
    return Found(problem=f"the NVIDIA driver failed ({error})", way_out=_FIX_GPU)


def processor(reason: str = "") -> Device:
    """The CPU as a device; `reason` says why no GPU is used."""
    found = memory()
    return Device("cpu", "processor", found.total, found.free, reason=reason)


def choose_device(
    wanted: WantedDevice,
    *,
    allow_cpu: bool,
    services: Mapping[str, int] | None = None,
    service: str = "",
    find: Callable[[], Found] = find_gpus,
) -> Device:
    """The device to use.

    `auto` and `cuda` both choose a GPU if one is usable, else the CPU if `allow_cpu` is set; the device then has the
    reason. With several GPUs, `placement` chooses the one for `service`. `services` maps each service that shares the
    GPUs to its MiB; a service that is not in it gets the GPU with the most free memory. Raises StageError if no allowed
    device is usable.
    """
    if wanted == "cpu":
        if not allow_cpu:
            raise StageError(
                "DEVICE=cpu asks for the CPU and ALLOW_CPU=false forbids it.",
                "Set device to auto, or allowCpu to true.",
            )
        return processor()
    found = find()
    if found.cards:
        for each in found.unfit:
            _log.warning("not used: %s", each)
        return _gpu_for(service, services or {}, found.cards)
    if allow_cpu:
        return processor(found.problem)
    raise StageError(
        f"No GPU can be used: {found.problem} (DEVICE={wanted}, ALLOW_CPU=false).", f"{found.way_out} {_OR_CPU}"
    )


def _gpu_for(service: str, services: Mapping[str, int], gpus: Sequence[Device]) -> Device:
    if service not in services:
        return max(gpus, key=lambda gpu: (gpu.free_megabytes or 0, -gpu.index))
    gpu = gpus[placement(services, [each.memory_megabytes for each in gpus])[service]]
    return replace(gpu, share_megabytes=services[service])


@cache
def device_in_use() -> Device:
    """The device of this process, chosen by its environment on the first call; raises StageError if there is none."""
    from cp_whisperx.environment import Environment, load_settings  # noqa: PLC0415 - the health check does without it

    environment = load_settings(Environment)
    return choose_device(
        environment.device or "auto",
        allow_cpu=environment.allow_cpu,
        services=environment.gpu_services,
        service=environment.service_name,
    )


def note_device(device: Device, path: Path) -> None:
    """Writes the device of this container's worker to `path`, for the health check."""
    _write(path, {"kind": device.kind, "index": device.index, "name": device.name, "reason": device.reason})


def note_failure(text: str, path: Path) -> None:
    """Adds to the file at `path` that the device failed in this container's worker, for the health check."""
    _write(path, {**json.loads(path.read_text()), "failure": text})


def _write(path: Path, note: dict[str, object]) -> None:
    """Replaces the file atomically and forgets the last answer of the device, which is out of date."""
    partial = path.with_name(f"{path.name}.new")
    partial.write_text(json.dumps(note))
    partial.replace(path)
    _answered(path).unlink(missing_ok=True)


def _answered(path: Path) -> Path:
    """The file with the time of the device's last answer as its modification time; see services/accelerator.ts."""
    return path.with_name(f"{path.name}-answered")


def check_device(path: Path, start: Callable[[], Driver] = open_driver) -> str:
    """Returns the title of the worker's device if it responds; raises StageError if it does not.

    It does not open the GPU: a CUDA context takes a few hundred MiB, which the worker may need.
    """
    try:
        noted = json.loads(path.read_text())
        device = Device(noted["kind"], noted["name"], 0, index=int(noted["index"]), reason=noted["reason"])
    except FileNotFoundError as error:
        raise StageError(f"No worker has written its device to {path}.", "See this container's log.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StageError(f"The file {path} is damaged: {error}.", "Restart this container.") from error
    if "failure" in noted:
        raise StageError(f"GPU {device.index} failed in this worker: {noted['failure']}.", _CHECK_HOST)
    if device.kind == "cuda":
        _ask_gpu(device, start)
    _answered(path).touch()
    return f"{device.title}: {device.reason}" if device.reason else device.title


def _ask_gpu(device: Device, start: Callable[[], Driver]) -> None:
    """Asks the driver for the GPU; raises StageError if it is not there."""
    try:
        problem = _change_of(device, start())
    except CudaError as error:
        problem = str(error)
    if problem:
        raise StageError(f"GPU {device.index}, which this worker uses, does not respond: {problem}.", _CHECK_HOST)


def _change_of(device: Device, driver: Driver) -> str:
    if device.index >= driver.count():
        return "it is not there any more"
    found = driver.card(device.index).name
    return "" if found == device.name else f"it is now {found} and was {device.name}"


def _check(path: Path) -> int:
    """The exit status of the check. A driver that hangs fails it."""
    answer: list[tuple[int, str]] = []

    def ask() -> None:
        try:
            answer.append((0, check_device(path)))
        except StageError as error:
            answer.append((1, str(error)))
        except Exception as error:  # noqa: BLE001 - reported as it is, so that it does not look like a hanging driver
            answer.append((1, f"{type(error).__name__}: {error}"))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_CHECK_SECONDS)
    status, text = answer[0] if answer else (1, f"The NVIDIA driver did not respond within {_CHECK_SECONDS:.0f} s.")
    print(text, flush=True)  # noqa: T201 - the engine keeps it as the health check's output
    return status


def describe(found: Found, host: Device) -> list[str]:
    """One line for each device."""
    driver = f"driver {found.driver or '?'}, CUDA {found.cuda}"
    gpus = [f"{_memory_line(gpu)}, {driver}" for gpu in found.cards]
    unfit = [f"not used: {each}" for each in found.unfit] if gpus else [f"no GPU: {found.problem}"]
    return [*gpus, *unfit, _memory_line(host)]


def _memory_line(device: Device) -> str:
    free = "unknown" if device.free_megabytes is None else f"{device.free_megabytes} MiB"
    return f"{device.title}: {device.memory_megabytes} MiB, {free} free"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m cp_whisperx.devices", description="Lists the devices that models can use."
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--check", action="store_true", help="check that the worker's device responds")
    given = parser.parse_args(arguments)
    if given.check:
        return _check(Path(os.environ.get("DEVICE_FILE", "/tmp/device")))  # noqa: S108 - the container's own tmpfs
    found, host = find_gpus(), processor()
    if given.json:
        text = json.dumps({**asdict(found), "processor": asdict(host)}, indent=2)
    else:
        text = "\n".join(describe(found, host))
    print(text)  # noqa: T201 - a command line
    return 0


if __name__ == "__main__":
    status = main()
    # sys.exit would wait for the thread of a hanging check.
    sys.stdout.flush()
    os._exit(status)
