"""What is done when a graphics card is too full for a model of torch: smaller batches, then the processor."""

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
    """Pieces that are computed at a time."""

    def __str__(self) -> str:
        """For people: `batches of 8 on cuda:0 (NVIDIA L4)`."""
        return f"batches of {self.batch} on {self.device.title}"


def steps_down(device: Device, batch: int, *, allow_cpu: bool) -> Iterator[TorchStep]:
    """The largest batch, then half and half again, then the processor where that is another device and allowed."""
    size = batch
    while size >= 1:
        yield TorchStep(device, size)
        size //= 2
    if device.kind == "cuda" and allow_cpu:
        yield TorchStep(processor(f"the memory of {device.title} is full"), min(batch, _PROCESSOR_BATCH))


@dataclass
class Room:
    """The room that a model of torch has, for one job: what was made smaller once stays so until the job ends."""

    steps: list[TorchStep]
    move: Callable[[str], None]
    """Moves the model to a device, by torch's name for it."""
    context: Context[Any]
    """The job, which is told what was made smaller."""
    _place: str = field(default="", init=False)

    def compute(self, work: Callable[[int], T]) -> T:
        """The result of the work, which is given the size of a batch, and done anew wherever the memory was too small.

        Raises OutOfMemoryError where nothing can be made smaller any more.
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
        self.context.warn(f"The memory does not suffice for {failed}: it goes on with {following}.")
        if failed.device.kind == "cuda":
            # What torch keeps for later is of no use to a smaller batch.
            sys.modules["torch"].cuda.empty_cache()
        if following.device != failed.device:
            self.context.computes_on(following.device)


def keep_to_share(device: Device) -> None:
    """Lets torch have no more of a card than this worker's share: what it wants beyond is an error of torch's own.

    What CUDA itself takes for each process, some hundred MiB, comes on top.
    """
    if device.kind == "cuda" and device.share_megabytes is not None:
        share = min(1.0, device.share_megabytes / device.memory_megabytes)
        sys.modules["torch"].cuda.set_per_process_memory_fraction(share, device.index)


def give_memory_back() -> None:
    """Gives others what torch keeps of a card for later; models stay there. Does nothing where torch was not used."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def room_for(context: Context[Any], batch: int, move: Callable[[str], None]) -> Room:
    """The room on the device of this worker, at the start of a job."""
    device = device_in_use()
    context.computes_on(device)
    steps = steps_down(device, batch, allow_cpu=load_settings(Environment).allow_cpu)
    return Room(list(steps), move, context)
