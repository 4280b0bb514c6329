"""Words in lines: as few lines as will do, as even as can be, and nothing dropped."""

import unicodedata
from functools import lru_cache
from itertools import pairwise


def tokens_of(text: str) -> list[str]:
    """The words of a text, without line breaks and control characters.

    A backslash becomes a slash: subtitle programs read it as the start of a command.
    """
    plain = text.replace("\\", "/")
    spaced = "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in plain)
    return spaced.split()


def break_long(token: str, width: int) -> list[str]:
    """A word in pieces of at most `width` characters: for addresses, and for scripts without spaces."""
    return [token[start : start + width] for start in range(0, len(token), width)] or [token]


def wrap(tokens: tuple[str, ...], width: int, lines: int, before: int = 0, after: int = 0) -> list[str] | None:
    """The words in at most `lines` lines of at most `width` characters; None where they do not fit.

    `before` and `after` are characters to keep free in the first line and in the last. Of the ways with the fewest
    lines, the one with the most even lines is taken.
    """
    for count in range(1, lines + 1):
        breaks = _best_breaks(tokens, width, count, before, after)
        if breaks is not None:
            edges = (0, *breaks, len(tokens))
            return [" ".join(tokens[start:end]) for start, end in pairwise(edges)]
    return None


@lru_cache(maxsize=4096)
def _best_breaks(tokens: tuple[str, ...], width: int, lines: int, before: int, after: int) -> tuple[int, ...] | None:
    """Where to break into exactly so many lines with the least sum of squared lengths; None where it cannot be."""
    if lines == 1:
        length = before + len(" ".join(tokens)) + after
        return () if length <= width else None
    best: tuple[int, tuple[int, ...]] | None = None
    length = before - 1
    for end in range(1, len(tokens)):
        length += 1 + len(tokens[end - 1])
        if length > width:
            break
        rest = _best_breaks(tokens[end:], width, lines - 1, 0, after)
        if rest is None:
            continue
        breaks = (end, *(end + further for further in rest))
        cost = sum(used**2 for used in _lengths(tokens, breaks, before, after))
        if best is None or cost < best[0]:
            best = (cost, breaks)
    return best[1] if best else None


def _lengths(tokens: tuple[str, ...], breaks: tuple[int, ...], before: int, after: int) -> list[int]:
    lengths = [len(" ".join(tokens[start:end])) for start, end in pairwise((0, *breaks, len(tokens)))]
    lengths[0] += before
    lengths[-1] += after
    return lengths
