"""Out of GPU memory with a torch model: smaller batches, then the CPU."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from cp_whisperx.backoff import loading_model, means_out_of_memory, with_backoff
from cp_whisperx.devices import Device, device_in_use, processor
from cp_whisperx.environment import Environment, load_settings
from cp_whisperx.stage import Context

T = TypeVar("T")

_PROCESSOR_BATCH: Final = 4


@dataclass(frozen=True)
class TorchStep:
    """One way to run a model."""

    device: Device
    batch: int
    """Batch size."""

    def __str__(self) -> str:
        """For people: `batches of 8 on cuda:0 (NVIDIA L4)`."""
        return f"batches of {self.batch} on {self.device.title}"


def steps_down(device: Device, batch: int, *, allow_cpu: bool) -> Iterator[TorchStep]:
    """The largest batch, then halved down to 1, then the CPU if `device` is a GPU and `allow_cpu` is set."""
    size = batch
    while size >= 1:
        yield TorchStep(device, size)
        size //= 2
    if device.kind == "cuda" and allow_cpu:
        yield TorchStep(processor(f"the memory of {device.title} is full"), min(batch, _PROCESSOR_BATCH))


@dataclass
class Room:
    """Runs a torch model within the memory, for one job: a reduced batch or a change of device lasts for the job."""

    steps: list[TorchStep]
    move: Callable[[str], None]
    """Moves the model to a device, given as torch names it, such as `cuda:0`."""
    context: Context[Any]
    """The job that gets the warnings."""
    _place: str = field(default="", init=False)

    def compute(self, work: Callable[[int], T]) -> T:
        """The result of `work`, which gets the batch size and is retried with a smaller step when out of memory.

        Raises OutOfMemoryError if the smallest step fails.
        """
        return with_backoff(
            tuple(self.steps),
            lambda step: self._run(step, work),
            means_out_of_memory,
            self._give_way,
            lambda one, other: one.device == other.device,
        )

    def _run(self, step: TorchStep, work: Callable[[int], T]) -> T:
        if step.device.torch_name != self._place:
            with loading_model():
                keep_to_share(step.device)
                self.move(step.device.torch_name)
            self._place = step.device.torch_name
        return work(step.batch)

    def _give_way(self, failed: TorchStep, following: TorchStep, _error: str) -> None:
        self.steps = self.steps[self.steps.index(following) :]
        self.context.warn(f"Not enough memory for {failed}: continuing with {following}.")
        if failed.device.kind == "cuda":
            # Blocks in torch's cache are too large to be reused for a smaller batch.
            sys.modules["torch"].cuda.empty_cache()
        if following.device != failed.device:
            self.context.computes_on(following.device)


def keep_to_share(device: Device) -> None:
    """Limits torch to this worker's share of the GPU's memory; beyond it torch raises its out-of-memory error.

    The CUDA context of the process, some hundred MiB, comes on top.
    """
    if device.kind == "cuda" and device.share_megabytes is not None:
        share = min(1.0, device.share_megabytes / device.memory_megabytes)
        sys.modules["torch"].cuda.set_per_process_memory_fraction(share, device.index)


def give_memory_back() -> None:
    """Releases the GPU memory in torch's cache to other processes. Models stay loaded. No-op if torch was not used."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def room_for(context: Context[Any], batch: int, move: Callable[[str], None]) -> Room:
    """A Room on this worker's device, for a new job; `batch` is the largest batch size."""
    device = device_in_use()
    context.computes_on(device)
    steps = steps_down(device, batch, allow_cpu=load_settings(Environment).allow_cpu)
    return Room(list(steps), move, context)
