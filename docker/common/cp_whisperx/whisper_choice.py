"""Tables that choose the Whisper model for the hardware, and the fallbacks when it is out of memory.

GPU memory is counted in gigabytes of 10^9 bytes here, as vendors do: a GPU with 10 GB has 9.8 GiB or less.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final, NamedTuple

from cp_whisperx.devices import DeviceKind
from cp_whisperx.hardware import Gpu, HardwareProfile

SIZES: Final = ("large-v3", "medium", "small", "base", "tiny")
"""From the best and largest to the smallest."""
PACKAGED: Final = "base"
"""The model that every stack has."""
COMPUTE_TYPES: Final = ("float32", "float16", "int8_float32", "int8_float16", "int8")
"""From the one that needs the most memory to the least."""
DEFAULT_COMPUTE_TYPES: Final[dict[DeviceKind, tuple[str, ...]]] = {
    "cuda": ("float16", "int8_float16", "int8", "float32"),
    "cpu": ("int8", "float32"),
}
"""Default: the first one that the device supports."""
_BYTES_OF_GIGABYTE: Final = 10**9
_BYTES_OF_MEBIBYTE: Final = 2**20


class Recommendation(NamedTuple):
    """The model and batch size for a machine."""

    model: str
    batch_size: int
    """Chunks of speech to transcribe at a time."""


class _CardRow(NamedTuple):
    least_gigabytes: int
    """Minimum memory of the whole GPU."""
    least_share: int
    """Minimum gigabytes of it that this stage may use."""
    model: str


class _ProcessorRow(NamedTuple):
    least_gigabytes: int
    least_cores: int
    choice: Recommendation


_MODEL_BY_CARD: Final = (_CardRow(10, 6, "large-v3"), _CardRow(6, 3, "medium"), _CardRow(0, 0, "base"))
_BATCH_BY_SHARE: Final = ((12, 24), (8, 16), (6, 8), (4, 4), (0, 2))
"""Minimum gigabytes that this stage may use, and the batch size: large-v3 as float16 in batches of 8 takes 6."""
_BY_PROCESSOR: Final = (
    _ProcessorRow(8, 4, Recommendation("medium", 4)),
    _ProcessorRow(0, 0, Recommendation("base", 4)),
)


def recommend(
    profile: HardwareProfile, available: Collection[str], share_megabytes: int | None = None
) -> Recommendation:
    """The model and the batch size for the first GPU of a profile, or for the CPU if it has none.

    `share_megabytes`: the MiB of the GPU that this stage may use; None: all. Only models in `available` are chosen: the
    best one, else the next smaller one, else a larger one.
    """
    best = _for_card(profile.gpus[0], share_megabytes) if profile.gpus else _for_processor(profile)
    smaller = [size for size in SIZES[SIZES.index(best.model) :] if size in available]
    larger = [size for size in reversed(SIZES) if size in available]
    return best._replace(model=[*smaller, *larger, PACKAGED][0])


def _for_card(card: Gpu, share_megabytes: int | None) -> Recommendation:
    gigabytes = _gigabytes(card.memory_megabytes)
    share = gigabytes if share_megabytes is None else min(gigabytes, _gigabytes(share_megabytes))
    rows = (row for row in _MODEL_BY_CARD if gigabytes >= row.least_gigabytes and share >= row.least_share)
    return Recommendation(next(rows).model, next(batch for least, batch in _BATCH_BY_SHARE if share >= least))


def _for_processor(profile: HardwareProfile) -> Recommendation:
    gigabytes = _gigabytes(profile.memory_megabytes)
    rows = (row for row in _BY_PROCESSOR if gigabytes >= row.least_gigabytes and profile.cores >= row.least_cores)
    return next(rows).choice


def _gigabytes(mebibytes: int) -> float:
    return mebibytes * _BYTES_OF_MEBIBYTE / _BYTES_OF_GIGABYTE


@dataclass(frozen=True)
class WhisperStep:
    """One way to run Whisper."""

    device: DeviceKind
    index: int
    """Of the GPU."""
    model: str
    compute_type: str
    batch_size: int
    threads: int

    def __str__(self) -> str:
        """For people: `large-v3 as float16 in batches of 8 on cuda:0`."""
        place = f"cuda:{self.index}" if self.device == "cuda" else "cpu"
        return f"{self.model} as {self.compute_type} in batches of {self.batch_size} on {place}"


def steps_down(first: WhisperStep, compute_types: Collection[str], available: Collection[str]) -> Iterator[WhisperStep]:
    """`first`, then steps with less and less memory on the same device.

    First the batch is halved down to 1, then the number format gets smaller if the device supports it, then the model.
    """
    step = first
    yield step
    while step.batch_size > 1:
        step = replace(step, batch_size=step.batch_size // 2)
        yield step
    for compute_type in _after(first.compute_type, COMPUTE_TYPES):
        if compute_type in compute_types:
            step = replace(step, compute_type=compute_type)
            yield step
    for size in _after(first.model, SIZES):
        if size in available:
            step = replace(step, model=size)
            yield step


def _after(value: str, ordered: Sequence[str]) -> Sequence[str]:
    """The values after `value`; empty for a value that is not in `ordered`, such as a user's own model."""
    before = len(list(takewhile(lambda each: each != value, ordered)))
    return ordered[before + 1 :]
