"""Wraps words into as few and as even lines as possible, without losing text. Lengths are in graphemes."""

import unicodedata
from functools import lru_cache
from itertools import combinations, pairwise

import regex


def tokens_of(text: str) -> list[str]:
    """The words of a text, without line breaks and control characters.

    A backslash becomes a slash: subtitle programs read it as the start of a command.
    """
    plain = text.replace("\\", "/")
    spaced = "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in plain)
    return spaced.split()


@lru_cache(maxsize=65_536)
def length_of(text: str) -> int:
    """How many graphemes a text has: हिन्दी has two, of six code points."""
    return len(regex.findall(r"\X", text))


def length_of_line(tokens: tuple[str, ...]) -> int:
    """How many graphemes the words have with one space between them."""
    return sum(length_of(token) for token in tokens) + len(tokens) - 1


def break_long(token: str, width: int) -> list[str]:
    """Splits a word into pieces of at most `width` graphemes, for URLs and for scripts without spaces."""
    letters = regex.findall(r"\X", token)
    return ["".join(letters[start : start + width]) for start in range(0, len(letters), width)] or [token]


def fits(tokens: tuple[str, ...], width: int, lines: int, before: int = 0, after: int = 0) -> bool:
    """Whether the words fit into at most `lines` lines; `before` and `after` as for `wrap`."""
    used, line = before, 1
    for index, token in enumerate(tokens):
        length = length_of(token) + (after if index == len(tokens) - 1 else 0)
        if index and used + 1 + length > width:
            used, line = length, line + 1
        else:
            used += length + (1 if index else 0)
        if used > width or line > lines:
            return False
    return True


def wrap(tokens: tuple[str, ...], width: int, lines: int, before: int = 0, after: int = 0) -> list[str] | None:
    """The words in at most `lines` lines of at most `width` graphemes; None if they do not fit.

    `before` and `after` are graphemes to keep free in the first line and in the last. Of the ways with the fewest
    lines, the one with the most even lines is taken.
    """
    for count in range(1, lines + 1):
        if not fits(tokens, width, count, before, after):
            continue
        ways = [(0, *breaks, len(tokens)) for breaks in combinations(range(1, len(tokens)), count - 1)]
        edges = min(ways, key=lambda edges: _unevenness(tokens, edges, width, before, after))
        return [" ".join(tokens[start:end]) for start, end in pairwise(edges)]
    return None


def _unevenness(
    tokens: tuple[str, ...], edges: tuple[int, ...], width: int, before: int, after: int
) -> tuple[bool, int]:
    """Whether a line is too long, and the sum of squared lengths."""
    lengths = [length_of_line(tokens[start:end]) for start, end in pairwise(edges)]
    lengths[0] += before
    lengths[-1] += after
    return max(lengths) > width, sum(length**2 for length in lengths)
