"""Which device models compute on: a GPU where one can be used, else the processor where that is allowed.

`python -m cp_whisperx.devices` tells what is there, with `--json` for programs. With `--check` it ends with 0 while the
device that this container's worker uses answers, else with 1 and a sentence: the health check of a GPU service.
Starts with the standard library alone, because it runs every minute.
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
"""The libraries in the images are made for CUDA 12; drivers from release 525 on serve it."""
_LEAST_CAPABILITY: Final = (7, 0)
"""torch 2.8 for CUDA 12.8 has instructions for cards from Volta on."""
_CHECK_SECONDS: Final = 25.0
"""A driver that has not answered by then counts as one that hangs."""
_HIDING: Final = ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
_MEND_CARD: Final = (
    "See on the host what `nvidia-smi` and `dmesg` say of the GPU, or give this service another one (gpu.devices), "
    "and restart this container,"
)
_LOOK_AT_HOST: Final = "See on the host what `nvidia-smi` and `dmesg` say of it, then restart this container."
_log: Final = logging.getLogger("cp_whisperx.devices")
_OR_PROCESSOR: Final = "or let this stage use the processor (allowCpu: true, ALLOW_CPU=true)."


@dataclass(frozen=True)
class Device:
    """Something that models compute on."""

    kind: DeviceKind
    name: str
    memory_megabytes: int
    """MiB in all: of the card, or of what a control group leaves of the host's."""
    free_megabytes: int | None = None
    """MiB that were free when it was looked at; None where that is not known."""
    index: int = 0
    share_megabytes: int | None = None
    """MiB of the card that this worker may use beside the others there; None: all."""
    reason: str = ""
    """Why it is the processor, though a GPU was possible."""

    @property
    def torch_name(self) -> str:
        """As torch calls it: cuda:0, cpu."""
        return f"cuda:{self.index}" if self.kind == "cuda" else "cpu"

    @property
    def title(self) -> str:
        """For people: `cuda:0 (NVIDIA L4)`, `cpu`."""
        return f"{self.torch_name} ({self.name})" if self.kind == "cuda" else "cpu"


@dataclass(frozen=True)
class Found:
    """What NVIDIA's driver has for this process."""

    cards: tuple[Device, ...] = ()
    """Those that can be used."""
    driver: str = ""
    """Release of the driver; empty where it does not tell."""
    cuda: str = ""
    """The newest CUDA that the driver serves."""
    unfit: tuple[str, ...] = ()
    """Each card that cannot be used, and why, as a clause."""
    problem: str = ""
    """Why there is no card, as a clause; empty where there are some."""
    way_out: str = ""


def find_cards(start: Callable[[], Driver] = open_driver) -> Found:
    """The GPUs that can really be used now, each opened once; or why there is none, and what would help."""
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
    cards = tuple(each for each in looked_at if isinstance(each, Device))
    unfit = tuple(each for each in looked_at if isinstance(each, str))
    found = Found(cards, driver.release, cuda, unfit)
    return found if cards else replace(found, problem="; ".join(unfit), way_out=_MEND_CARD)


def _look_at(driver: Driver, index: int) -> Device | str:
    """A card, opened, or why it cannot be used: one that fails must not hide the others."""
    try:
        card = driver.card(index)
        if card.capability < _LEAST_CAPABILITY:
            has, needs = (".".join(map(str, each)) for each in (card.capability, _LEAST_CAPABILITY))
            return f"GPU {index} ({card.name}) has compute capability {has}, and the libraries here need {needs}"
        return Device("cuda", card.name, card.memory, driver.free_memory(index), index)
    except CudaError as error:
        return f"GPU {index} cannot be used ({error})"


def _too_old(driver: Driver, cuda: str) -> Found:
    needed = f"{_LEAST_CUDA[0]}.{_LEAST_CUDA[1]}"
    return Found(
        driver=driver.release,
        cuda=cuda,
        problem=f"the NVIDIA driver {driver.release} serves CUDA {cuda}, and the libraries here need {needed}",
        way_out="Install NVIDIA's driver 525 or newer on the host,",
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
            problem=f"the NVIDIA driver is here and shows no GPU{f' ({settings})' if settings else ''}",
            way_out="Give this service a GPU (gpu.devices: all, a count, or ids),",
        )
    return Found(problem=f"the NVIDIA driver refuses ({error})", way_out=_MEND_CARD)


def processor(reason: str = "") -> Device:
    """The processor as a device."""
    found = memory()
    return Device("cpu", "processor", found.total, found.free, reason=reason)


def choose_device(
    wanted: WantedDevice,
    *,
    allow_cpu: bool,
    services: Mapping[str, int] | None = None,
    service: str = "",
    find: Callable[[], Found] = find_cards,
) -> Device:
    """The device to use: of several cards the one that `placement` gives to this one of the services that share them.

    `services` has the MiB of each; a worker that is none of them takes the card with the most free memory. `auto` and
    `cuda` both take a GPU where one can be used, and otherwise the processor if that is allowed; the device then says
    why. Raises StageError, with the way out, where nothing is left.
    """
    if wanted == "cpu":
        if not allow_cpu:
            raise StageError(
                "DEVICE=cpu asks for the processor and ALLOW_CPU=false forbids it.",
                "Set device to auto, or allowCpu to true.",
            )
        return processor()
    found = find()
    if found.cards:
        for each in found.unfit:
            _log.warning("not used: %s", each)
        return _card_of(service, services or {}, found.cards)
    if allow_cpu:
        return processor(found.problem)
    raise StageError(
        f"No GPU can be used: {found.problem} (DEVICE={wanted}, ALLOW_CPU=false).", f"{found.way_out} {_OR_PROCESSOR}"
    )


def _card_of(service: str, services: Mapping[str, int], cards: Sequence[Device]) -> Device:
    if service not in services:
        return max(cards, key=lambda card: (card.free_megabytes or 0, -card.index))
    card = cards[placement(services, [each.memory_megabytes for each in cards])[service]]
    return replace(card, share_megabytes=services[service])


@cache
def device_in_use() -> Device:
    """The device of this process, chosen at its first use by its environment; StageError where there is none."""
    from cp_whisperx.environment import Environment, load_settings  # noqa: PLC0415 - the health check does without it

    environment = load_settings(Environment)
    return choose_device(
        environment.device or "auto",
        allow_cpu=environment.allow_cpu,
        services=environment.gpu_services,
        service=environment.service_name,
    )


def note_device(device: Device, path: Path) -> None:
    """Notes for the health check which device the worker of this container uses."""
    _write(path, {"kind": device.kind, "index": device.index, "name": device.name, "reason": device.reason})


def note_failure(text: str, path: Path) -> None:
    """Notes for the health check that the noted device failed in this container's worker."""
    _write(path, {**json.loads(path.read_text()), "failure": text})


def _write(path: Path, note: dict[str, object]) -> None:
    """Puts the whole note in its place at once, for it may be read just then; what answered before is out of date."""
    partial = path.with_name(f"{path.name}.new")
    partial.write_text(json.dumps(note))
    partial.replace(path)
    _answered(path).unlink(missing_ok=True)


def _answered(path: Path) -> Path:
    """The file whose age tells when the device last answered; services/accelerator.ts looks at it."""
    return path.with_name(f"{path.name}-answered")


def check_device(path: Path, start: Callable[[], Driver] = open_driver) -> str:
    """Names the device that the worker noted if that answers; raises StageError where it does not.

    Nothing is opened for it: an opened card has a few hundred MiB less, which may be those that the worker wants.
    """
    try:
        noted = json.loads(path.read_text())
        device = Device(noted["kind"], noted["name"], 0, index=int(noted["index"]), reason=noted["reason"])
    except FileNotFoundError as error:
        raise StageError(f"No worker has noted its device in {path}.", "See this container's log.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StageError(f"The file {path} is damaged: {error}.", "Restart this container.") from error
    if "failure" in noted:
        raise StageError(f"The GPU {device.index} failed in this worker: {noted['failure']}.", _LOOK_AT_HOST)
    if device.kind == "cuda":
        _ask_card(device, start)
    _answered(path).touch()
    return f"{device.title}: {device.reason}" if device.reason else device.title


def _ask_card(device: Device, start: Callable[[], Driver]) -> None:
    """Asks the driver for a card; StageError where it is not there."""
    try:
        problem = _change_of(device, start())
    except CudaError as error:
        problem = str(error)
    if problem:
        raise StageError(f"The GPU {device.index}, which this worker uses, does not answer: {problem}.", _LOOK_AT_HOST)


def _change_of(device: Device, driver: Driver) -> str:
    if device.index >= driver.count():
        return "it is not there any more"
    found = driver.card(device.index).name
    return "" if found == device.name else f"{found} is in its place, and it was {device.name}"


def _check(path: Path) -> int:
    """The exit status of the check; a driver that hangs is one that does not answer."""
    answer: list[tuple[int, str]] = []

    def ask() -> None:
        try:
            answer.append((0, check_device(path)))
        except StageError as error:
            answer.append((1, str(error)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and not taken for a driver that hangs
            answer.append((1, f"{type(error).__name__}: {error}"))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_CHECK_SECONDS)
    status, text = answer[0] if answer else (1, f"The NVIDIA driver gave no answer in {_CHECK_SECONDS:.0f} s.")
    print(text, flush=True)  # noqa: T201 - the engine keeps it as the health check's output
    return status


def describe(found: Found, host: Device) -> list[str]:
    """What is there, one line for each device."""
    driver = f"driver {found.driver or '?'}, CUDA {found.cuda}"
    cards = [f"{_memory_line(card)}, {driver}" for card in found.cards]
    unfit = [f"not used: {each}" for each in found.unfit] if cards else [f"no GPU: {found.problem}"]
    return [*cards, *unfit, _memory_line(host)]


def _memory_line(device: Device) -> str:
    free = "an unknown part" if device.free_megabytes is None else f"{device.free_megabytes} MiB"
    return f"{device.title}: {device.memory_megabytes} MiB, {free} free"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m cp_whisperx.devices", description="The devices that models can use."
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--check", action="store_true", help="whether the device that the worker uses answers")
    given = parser.parse_args(arguments)
    if given.check:
        return _check(Path(os.environ.get("DEVICE_FILE", "/tmp/device")))  # noqa: S108 - the container's own tmpfs
    found, host = find_cards(), processor()
    if given.json:
        text = json.dumps({**asdict(found), "processor": asdict(host)}, indent=2)
    else:
        text = "\n".join(describe(found, host))
    print(text)  # noqa: T201 - a command line
    return 0


if __name__ == "__main__":
    status = main()
    # The thread of a check that hangs would keep the interpreter.
    sys.stdout.flush()
    os._exit(status)
