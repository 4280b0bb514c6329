"""The hardware of a worker: GPUs, CPU cores and memory, detected once an hour and cached next to the jobs.

hardware_cache.json has an entry for each worker of each host, because cgroups and device requests give each container
other hardware. An entry that is expired, from the future, damaged or for other circumstances is replaced. The cache is
optional: if it cannot be written, each worker detects its hardware itself.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import Field, NonNegativeInt, PositiveInt

from cp_whisperx.contract import Document, Part
from cp_whisperx.devices import Device, Found, find_gpus
from cp_whisperx.errors import StageError
from cp_whisperx.files import locked, read_document, write_document
from cp_whisperx.processor import cores, host_identity, memory

FILE_NAME: Final = "hardware_cache.json"
FRESH_FOR: Final = timedelta(hours=1)

_log: Final = logging.getLogger("cp_whisperx.hardware")


class Gpu(Part):
    """A GPU."""

    index: NonNegativeInt = 0
    """The driver's index of the GPU."""
    name: str
    memory_megabytes: NonNegativeInt
    """Total MiB."""
    driver: str
    """Release of NVIDIA's driver; empty if unknown."""
    cuda: str
    """The newest CUDA version that the driver supports."""


class HardwareProfile(Part):
    """The hardware that models can use."""

    gpus: tuple[Gpu, ...] = ()
    """The usable GPUs, in the driver's order."""
    cores: PositiveInt
    memory_megabytes: PositiveInt
    """MiB of memory that the container may use."""

    def has(self, device: Device) -> bool:
        """Whether the profile includes the GPU; for the CPU, whether it includes any GPU."""
        return any(device.kind == "cpu" or gpu.index == device.index for gpu in self.gpus)

    def seen_from(self, device: Device) -> "HardwareProfile":
        """The same profile with only this GPU, or with none if the device is the CPU."""
        chosen = (gpu for gpu in self.gpus if device.kind == "cuda" and gpu.index == device.index)
        return self.model_copy(update={"gpus": tuple(chosen)})


class FoundHardware(Part):
    """A profile with the time and the worker that detected it."""

    found: datetime
    host: str
    """The boot id of the host."""
    worker: str
    """The worker's host name."""
    profile: HardwareProfile


class HardwareCache(Document):
    """hardware_cache.json: profiles by a hash of the circumstances."""

    profiles: dict[str, FoundHardware] = Field(default_factory=dict)


def hardware_profile(
    folder: Path,
    device: Device,
    *,
    find: Callable[[], Found] = find_gpus,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> HardwareProfile:
    """The hardware of this process; GPUs from the cache if they were detected within the last hour.

    `device` is the device in use: an entry for another device does not count. An entry without GPUs is never used:
    detecting that is cheap, and the user may just have fixed it.
    """
    path = folder / FILE_NAME
    key = _circumstances(device)
    known = _read(path).profiles.get(key)
    if known and known.profile.has(device) and is_fresh(known, now()):
        return known.profile
    found = find()
    profile = HardwareProfile(
        gpus=tuple(
            Gpu(
                index=card.index,
                name=card.name,
                memory_megabytes=card.memory_megabytes,
                driver=found.driver,
                cuda=found.cuda,
            )
            for card in found.cards
        ),
        cores=cores(),
        memory_megabytes=memory().total,
    )
    if known is None or known.profile != profile or not is_fresh(known, now()):
        entry = FoundHardware(found=now(), host=host_identity(), worker=os.uname().nodename, profile=profile)
        _keep(path, key, entry)
    return profile


def is_fresh(entry: FoundHardware, now: datetime) -> bool:
    """Whether the entry is less than an hour old; an entry from the future comes from a wrong clock."""
    return timedelta() <= now - entry.found < FRESH_FOR


def _circumstances(device: Device) -> str:
    """A short hash of everything that is cheap to read and determines the GPUs."""
    visible = [os.environ.get(name) for name in ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")]
    used = (device.title, device.memory_megabytes)
    parts = [host_identity(), os.uname().nodename, cores(), memory().total, *visible, *used]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _read(path: Path) -> HardwareCache:
    """The cache; an empty one if it is missing or unusable."""
    try:
        return read_document(path, HardwareCache) if path.exists() else HardwareCache()
    except (StageError, OSError) as error:
        _log.info("%s is not used: %s", path, error)
        return HardwareCache()


def _keep(path: Path, key: str, entry: FoundHardware) -> None:
    """Adds an entry and drops expired ones; safe with concurrent workers."""
    try:
        with locked(path.with_name(f".{path.name}.lock")):
            others = {each: other for each, other in _read(path).profiles.items() if is_fresh(other, entry.found)}
            write_document(path, HardwareCache(profiles={**others, key: entry}))
    except OSError as error:
        _log.warning("cannot write %s, so the next start detects the hardware again: %s", path, error)
