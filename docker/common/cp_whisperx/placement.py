"""Which of several cards each service uses: every worker works out the same for itself, so that nobody has to ask."""

from collections.abc import Mapping, Sequence


def placement(services: Mapping[str, int], cards: Sequence[int]) -> dict[str, int]:
    """The position of each service's card.

    Both are given with their memory in MiB, and every worker has to give the same. The largest service comes first, and
    each goes where most is left, be it too little; of equal ones the first by name, and the first card.
    """
    left = list(cards)
    places: dict[str, int] = {}
    for name in sorted(services, key=lambda each: (-services[each], each)):
        places[name] = left.index(max(left))
        left[places[name]] -= services[name]
    return places
