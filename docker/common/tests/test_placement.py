"""Services on several cards: all agree, and none is crowded without need."""

import random

from hypothesis import given
from hypothesis import strategies as st

from cp_whisperx.placement import placement

SERVICES = {"asr": 6144, "second-pass-translation": 4096, "diarization": 2048, "pyannote-vad": 1024}
sizes = st.dictionaries(st.text("abcdef-", min_size=1), st.integers(1, 20_000), max_size=12)
memories = st.lists(st.integers(1, 80_000), min_size=1, max_size=8)


def load_of(services: dict[str, int], places: dict[str, int], card: int) -> int:
    return sum(services[name] for name, place in places.items() if place == card)


def test_two_cards_share_what_does_not_fit_on_one() -> None:
    assert placement(SERVICES, [12_000, 12_000]) == {
        "asr": 0,
        "second-pass-translation": 1,
        "diarization": 1,
        "pyannote-vad": 0,
    }
    assert set(placement(SERVICES, [24_000]).values()) == {0}
    assert placement({"asr": 6144}, [8_000, 24_000]) == {"asr": 1}


@given(sizes, memories)
def test_every_service_has_a_card_that_is_there(services: dict[str, int], cards: list[int]) -> None:
    places = placement(services, cards)
    assert places.keys() == services.keys()
    assert set(places.values()) <= set(range(len(cards)))


@given(sizes, memories, st.randoms())
def test_all_workers_agree_whatever_the_order_they_were_told(
    services: dict[str, int], cards: list[int], chance: random.Random
) -> None:
    told = list(services.items())
    chance.shuffle(told)
    assert placement(dict(told), cards) == placement(services, cards)


@given(sizes, memories)
def test_no_card_is_crowded_while_another_has_more_left(services: dict[str, int], cards: list[int]) -> None:
    """Whoever came last to a card found at least as much left there as any other card has in the end."""
    places = placement(services, cards)
    left = [memory - load_of(services, places, card) for card, memory in enumerate(cards)]
    for card in set(places.values()):
        last = min(services[name] for name, place in places.items() if place == card)
        assert left[card] + last >= max(left)


@given(st.integers(1, 12), st.integers(1, 8), st.integers(1, 9_000))
def test_equals_are_spread_evenly_from_the_first_card_on(count: int, cards: int, size: int) -> None:
    places = placement({f"{number:02}": size for number in range(count)}, [10_000] * cards)
    assert [places[f"{number:02}"] for number in range(count)] == [number % cards for number in range(count)]
