"""The model for each machine, and the way down from it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cp_whisperx.hardware import Gpu, HardwareProfile
from cp_whisperx.whisper_choice import COMPUTE_TYPES, SIZES, WhisperStep, recommend, steps_down

ALL = frozenset(SIZES)


def machine(card: int | None = None, *, memory: int = 64_000, cores: int = 16) -> HardwareProfile:
    gpus = () if card is None else (Gpu(name="card", memory_megabytes=card, driver="570.1", cuda="12.8"),)
    return HardwareProfile(gpus=gpus, cores=cores, memory_megabytes=memory)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (machine(81_559), ("large-v3", 24)),
        (machine(23_034), ("large-v3", 24)),
        (machine(11_264), ("large-v3", 16)),
        (machine(10_018), ("large-v3", 16)),  # what a card of 10 GB has
        (machine(9_500), ("medium", 16)),
        (machine(5_934), ("medium", 8)),  # what a card of 6 GB has
        (machine(5_700), ("base", 4)),
        (machine(0), ("base", 2)),
        (machine(memory=64_000), ("medium", 4)),
        (machine(memory=64_000, cores=2), ("base", 4)),
        (machine(memory=4_096), ("base", 4)),
        (machine(memory=1, cores=1), ("base", 4)),
    ],
)
def test_the_table(profile: HardwareProfile, expected: tuple[str, int]) -> None:
    assert recommend(profile, ALL) == expected


@pytest.mark.parametrize(
    ("card", "share", "expected"),
    [
        (81_559, 6_144, ("large-v3", 8)),  # the share that asr has unless it is set
        (81_559, 5_000, ("medium", 4)),
        (81_559, 2_000, ("base", 2)),
        (8_000, 6_144, ("medium", 8)),
        (8_000, 100_000, ("medium", 16)),
        (None, 6_144, ("medium", 4)),
    ],
)
def test_a_stage_that_shares_a_card_keeps_to_its_share(card: int | None, share: int, expected: tuple[str, int]) -> None:
    assert recommend(machine(card), ALL, share) == expected


@pytest.mark.parametrize(
    ("card", "available", "expected"),
    [
        (81_559, {"base"}, "base"),
        (81_559, {"base", "medium"}, "medium"),
        (6_000, {"large-v3"}, "large-v3"),
        (6_000, {"large-v3", "tiny"}, "tiny"),
        (2_000, {"large-v3", "small"}, "small"),
        (81_559, set(), "base"),
        (81_559, {"somebodys-own"}, "base"),
    ],
)
def test_only_what_is_in_the_cache_is_recommended(card: int, available: set[str], expected: str) -> None:
    assert recommend(machine(card), available).model == expected


@given(st.integers(0, 200_000), st.integers(0, 200_000), st.sets(st.sampled_from(SIZES), min_size=1))
def test_a_larger_card_never_gets_a_smaller_model(one: int, other: int, available: set[str]) -> None:
    small, large = (recommend(machine(card), available) for card in sorted((one, other)))
    assert SIZES.index(large.model) <= SIZES.index(small.model)
    assert {small.model, large.model} <= available


def test_the_way_down_in_its_order() -> None:
    first = WhisperStep("cuda", 1, "large-v3", "float16", 8, 2)
    steps = steps_down(first, {"float32", "float16", "int8_float16", "int8"}, {"large-v3", "medium", "base"})
    assert [(step.model, step.compute_type, step.batch_size) for step in steps] == [
        ("large-v3", "float16", 8),
        ("large-v3", "float16", 4),
        ("large-v3", "float16", 2),
        ("large-v3", "float16", 1),
        ("large-v3", "int8_float16", 1),
        ("large-v3", "int8", 1),
        ("medium", "int8", 1),
        ("base", "int8", 1),
    ]


def test_a_model_of_the_users_own_has_no_smaller_one() -> None:
    steps = steps_down(WhisperStep("cpu", 0, "own-model", "int8", 1, 2), {"int8"}, ALL)
    assert [step.model for step in steps] == ["own-model"]


STEPS = st.builds(
    WhisperStep,
    device=st.just("cuda"),
    index=st.integers(0, 7),
    model=st.sampled_from([*SIZES, "own-model"]),
    compute_type=st.sampled_from(COMPUTE_TYPES),
    batch_size=st.integers(1, 64),
    threads=st.just(2),
)


@given(STEPS, st.sets(st.sampled_from(COMPUTE_TYPES)), st.sets(st.sampled_from(SIZES)))
def test_every_step_down_needs_less_and_there_are_few(
    first: WhisperStep, compute_types: set[str], available: set[str]
) -> None:
    steps = list(steps_down(first, compute_types, available))
    assert steps[0] == first
    assert len(steps) <= 7 + len(COMPUTE_TYPES) + len(SIZES)
    for before, after in pairwise(steps):
        smaller_model = after.model != before.model and SIZES.index(after.model) > SIZES.index(before.model)
        shorter = after.compute_type != before.compute_type and (
            COMPUTE_TYPES.index(after.compute_type) > COMPUTE_TYPES.index(before.compute_type)
        )
        assert [after.batch_size < before.batch_size, shorter, smaller_model].count(True) == 1
        assert after.batch_size <= before.batch_size
        assert after.compute_type in {first.compute_type, *compute_types}
        assert after.model in {first.model, *available}
    assert steps[-1].batch_size == 1


def test_a_step_is_told_in_words() -> None:
    step = WhisperStep("cuda", 0, "large-v3", "float16", 8, 2)
    assert str(step) == "large-v3 as float16 in batches of 8 on cuda:0"
