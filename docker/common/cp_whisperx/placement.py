"""Assigns services to GPUs. Every worker computes the same assignment, so no coordination is needed."""

from collections.abc import Mapping, Sequence


def placement(services: Mapping[str, int], cards: Sequence[int]) -> dict[str, int]:
    """The index of the GPU for each service.

    `services` and `cards` have the memory in MiB and must be the same in every worker. The largest service comes first;
    each gets the GPU with the most memory left, even if that is too little. Ties: by name, and the first GPU.
    """
    left = list(cards)
    places: dict[str, int] = {}
    for name in sorted(services, key=lambda each: (-services[each], each)):
        places[name] = left.index(max(left))
        left[places[name]] -= services[name]
    return places
