"""What a worker has to work with: cards, cores and memory, found once an hour and kept beside the jobs.

hardware_cache.json has an entry for each worker of each host, because control groups and device requests show each
container something else. An entry that is old, from the future, damaged or about other circumstances is not used; what
is found then replaces it. Nothing depends on the file: where it cannot be written, a worker looks for itself.
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
from cp_whisperx.devices import Device, Found, find_cards
from cp_whisperx.errors import StageError
from cp_whisperx.files import locked, read_document, write_document
from cp_whisperx.processor import cores, host_identity, memory

FILE_NAME: Final = "hardware_cache.json"
FRESH_FOR: Final = timedelta(hours=1)

_log: Final = logging.getLogger("cp_whisperx.hardware")


class Gpu(Part):
    """A card."""

    index: NonNegativeInt = 0
    """The driver's number of it."""
    name: str
    memory_megabytes: NonNegativeInt
    """MiB in all."""
    driver: str
    """Release of NVIDIA's driver; empty where it does not tell."""
    cuda: str
    """The newest CUDA that the driver serves."""


class HardwareProfile(Part):
    """What models can use."""

    gpus: tuple[Gpu, ...] = ()
    """Those that can be used, in the driver's order."""
    cores: PositiveInt
    memory_megabytes: PositiveInt
    """MiB of memory that the container may use."""

    def has(self, device: Device) -> bool:
        """Whether it tells of the device, or for the processor of any card."""
        return any(device.kind == "cpu" or gpu.index == device.index for gpu in self.gpus)

    def seen_from(self, device: Device) -> "HardwareProfile":
        """The same with no other card than the device, and so with none for the processor."""
        chosen = (gpu for gpu in self.gpus if device.kind == "cuda" and gpu.index == device.index)
        return self.model_copy(update={"gpus": tuple(chosen)})


class FoundHardware(Part):
    """A profile, when it was found, and by whom."""

    found: datetime
    host: str
    """What tells the host from others, until it starts anew."""
    worker: str
    """The worker's name in its network."""
    profile: HardwareProfile


class HardwareCache(Document):
    """hardware_cache.json: profiles by the circumstances they were found in."""

    profiles: dict[str, FoundHardware] = Field(default_factory=dict)


def hardware_profile(
    folder: Path,
    device: Device,
    *,
    find: Callable[[], Found] = find_cards,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> HardwareProfile:
    """What this process has to work with; the cards as they were found here at most an hour ago.

    `device` is the one that it uses: what was found beside another card says nothing of this one. That there is no card
    is never taken from the cache: it costs nothing to see, and somebody may just have mended it.
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
    """Whether it was found in the last hour; what was found in the future was found with a wrong clock."""
    return timedelta() <= now - entry.found < FRESH_FOR


def _circumstances(device: Device) -> str:
    """Everything that can be seen at no cost and on which the cards depend, as a short hash."""
    visible = [os.environ.get(name) for name in ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")]
    used = (device.title, device.memory_megabytes)
    parts = [host_identity(), os.uname().nodename, cores(), memory().total, *visible, *used]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _read(path: Path) -> HardwareCache:
    """The cache; an empty one where there is none, or none that can be used."""
    try:
        return read_document(path, HardwareCache) if path.exists() else HardwareCache()
    except (StageError, OSError) as error:
        _log.info("%s is not used: %s", path, error)
        return HardwareCache()


def _keep(path: Path, key: str, entry: FoundHardware) -> None:
    """Adds an entry and leaves out those that are no longer fresh; other workers may do the same at the same time."""
    try:
        with locked(path.with_name(f".{path.name}.lock")):
            others = {each: other for each, other in _read(path).profiles.items() if is_fresh(other, entry.found)}
            write_document(path, HardwareCache(profiles={**others, key: entry}))
    except OSError as error:
        _log.warning("%s cannot be written, so the next start looks for the hardware again: %s", path, error)
