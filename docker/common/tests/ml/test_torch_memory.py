"""A graphics card that is too full for a model of torch."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cp_whisperx.backoff import OutOfMemoryError
from cp_whisperx.devices import Device
from cp_whisperx.ml import torch_memory
from cp_whisperx.ml.torch_memory import Room, give_memory_back, room_for, steps_down
from cp_whisperx.stage import Context, StageSettings
from cp_whisperx_testing import context_for, make_job

CARD = Device("cuda", "NVIDIA L4", 24_000)


class FullCard:
    """A model on a card where at most `fits` pieces fit; remembers what was tried and told."""

    def __init__(self, fits: int, folder: Path) -> None:
        self.fits = fits
        self.tried: list[tuple[str, int]] = []
        self.told: list[str] = []
        self.place = "cuda:0"
        self.emptied = 0
        self.shares: list[tuple[float, int]] = []
        self.too_large = False
        self.moves: list[str] = []
        self.context: Context[Any] = context_for(make_job(folder / "job"), StageSettings(), warn=self.told.append)

    def move(self, place: str) -> None:
        self.moves.append(place)
        if self.too_large and place != "cpu":
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.place = place

    def room(self, *, allow_cpu: bool = True, card: Device = CARD) -> Room:
        return Room(list(steps_down(card, 8, allow_cpu=allow_cpu)), self.move, self.context)

    def work(self, batch: int) -> str:
        self.tried.append((self.place, batch))
        if self.place.startswith("cuda") and batch > self.fits:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return "done"

    def empty(self) -> None:
        self.emptied += 1

    def torch(self) -> SimpleNamespace:
        """A stand-in for torch that counts how often it gives memory back, and remembers what it may have."""
        cuda = SimpleNamespace(
            empty_cache=self.empty,
            set_per_process_memory_fraction=lambda share, index: self.shares.append((share, index)),
            is_initialized=lambda: bool(self.moves),
        )
        return SimpleNamespace(cuda=cuda)


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FullCard:
    """A card with room for two pieces."""
    made = FullCard(2, tmp_path)
    monkeypatch.setitem(sys.modules, "torch", made.torch())
    return made


def test_batches_are_halved_until_they_fit_and_stay_small_for_the_job(card: FullCard) -> None:
    room = card.room()
    assert room.compute(card.work) == "done"
    assert card.tried == [("cuda:0", 8), ("cuda:0", 4), ("cuda:0", 2)]
    assert card.told[-1] == (
        "Not enough memory for batches of 4 on cuda:0 (NVIDIA L4): continuing with batches of 2 on cuda:0 (NVIDIA L4)."
    )
    assert card.emptied == 2
    room.compute(card.work)
    assert card.tried[3:] == [("cuda:0", 2)]


def test_where_not_even_one_piece_fits_the_processor_takes_over(card: FullCard) -> None:
    card.fits = 0
    assert card.room().compute(card.work) == "done"
    assert card.tried[-1] == ("cpu", 4)
    assert card.told[-1].endswith("continuing with batches of 4 on cpu.")


def test_without_leave_for_the_processor_it_ends(card: FullCard) -> None:
    card.fits = 0
    with pytest.raises(OutOfMemoryError, match="even for batches of 1 on cuda:0"):
        card.room(allow_cpu=False).compute(card.work)
    assert card.place == "cuda:0"


def test_the_next_job_begins_on_the_card_again(card: FullCard) -> None:
    card.fits = 0
    card.room().compute(card.work)
    card.fits = 8
    card.room().compute(card.work)
    assert card.tried[-1] == ("cuda:0", 8)


def test_any_other_error_is_left_alone(card: FullCard) -> None:
    def broken(_batch: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        card.room().compute(broken)
    assert card.told == []


def test_a_processor_has_smaller_batches_alone() -> None:
    host = Device("cpu", "processor", 1000)
    assert [(step.device, step.batch) for step in steps_down(host, 4, allow_cpu=True)] == [
        (host, 4),
        (host, 2),
        (host, 1),
    ]


def test_a_job_tells_the_device_that_it_begins_on(card: FullCard, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Device] = []
    monkeypatch.setattr(torch_memory, "device_in_use", lambda: CARD)
    room = room_for(replace(card.context, computes_on=told.append), 8, card.move)
    assert told == [CARD]
    assert room.compute(lambda _batch: "done") == "done"
    assert card.place == CARD.torch_name


def test_a_model_that_does_not_fit_goes_to_the_processor_at_once(card: FullCard) -> None:
    card.too_large = True
    assert card.room().compute(card.work) == "done"
    assert card.moves == ["cuda:0", "cpu"]
    assert card.tried == [("cpu", 4)]
    with pytest.raises(OutOfMemoryError, match="even for batches of 8 on cuda:0"):
        card.room(allow_cpu=False).compute(card.work)


def test_torch_may_have_no_more_than_the_share_of_the_worker(card: FullCard) -> None:
    card.room().compute(card.work)
    assert card.shares == []
    card.room(card=replace(CARD, index=1, share_megabytes=6_000)).compute(card.work)
    card.room(card=replace(CARD, share_megabytes=30_000)).compute(card.work)
    assert card.shares == [(0.25, 1), (1.0, 0)]


def test_what_torch_keeps_is_given_back_where_it_was_used(card: FullCard, monkeypatch: pytest.MonkeyPatch) -> None:
    give_memory_back()
    assert card.emptied == 0
    card.move("cuda:0")
    give_memory_back()
    assert card.emptied == 1
    monkeypatch.delitem(sys.modules, "torch")
    give_memory_back()
    assert card.emptied == 1
