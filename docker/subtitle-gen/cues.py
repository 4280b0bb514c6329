"""From timed segments of speech to cues: split where they are too long, merged where they may be, never overlapping."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

from cp_whisperx.contract import Span, SpokenSegment
from wrapping import break_long, tokens_of, wrap

NOTE: Final = "♪"
_SHORTEST_MS: Final = 100
"""Cues that begin at the same moment are set so far apart."""
_ENDS_SENTENCE: Final = (".", "?", "!", "…", "।", "。", "؟")
_ENDS_CLAUSE: Final = (",", ";", ":", "-", "–", "،", "、")  # noqa: RUF001 - a dash is what it looks for
_MOST_LABEL: Final = 0.5
"""The share of a line that the name of a speaker may take."""


@dataclass(frozen=True)
class Limits:
    """What a cue may be."""

    width: int
    lines: int
    longest: float
    shortest: float
    merge_gap: float
    """Seconds of silence over which cues of one speaker are still merged."""


@dataclass(frozen=True)
class Token:
    """One word and its times in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Cue:
    """Words of one speaker that are shown together; music has no words."""

    tokens: tuple[Token, ...]
    label: str = ""
    """What stands before the words: the speaker."""
    sung: bool = False
    """Whether there is music under it."""

    @property
    def start(self) -> float:
        """Seconds."""
        return self.tokens[0].start

    @property
    def end(self) -> float:
        """Seconds."""
        return max(token.end for token in self.tokens)

    def text(self, limits: Limits) -> str | None:
        """The text in its lines; None where it does not fit."""
        opening = self.label + (f"{NOTE} " if self.sung else "")
        closing = f" {NOTE}" if self.sung else ""
        words = tuple(token.text for token in self.tokens)
        lines = wrap(words, limits.width, limits.lines, len(opening), len(closing))
        return None if lines is None else opening + "\n".join(lines) + closing

    def fits(self, limits: Limits) -> bool:
        """Whether it may be shown as it is; a single word always may."""
        if len(self.tokens) == 1:
            return True
        return self.end - self.start <= limits.longest and self.text(limits) is not None


@dataclass(frozen=True)
class TimedText:
    """A cue as it is written: milliseconds and lines."""

    start: int
    end: int
    text: str


def cues_of(segments: Iterable[SpokenSegment], music: Sequence[Span], limits: Limits) -> list[Cue]:
    """The cues of all segments in the order of their start: split, marked where there is music, and merged."""
    ordered = sorted(segments, key=lambda segment: segment.start)
    labels = _labels(ordered, limits)
    whole = [_cue_of(segment, labels.get(segment.speaker or "", ""), music, limits) for segment in ordered]
    parts = [part for cue in whole if cue.tokens for part in _split(cue, limits)]
    return _merge(sorted(parts, key=lambda part: part.start), limits)


def _labels(segments: Iterable[SpokenSegment], limits: Limits) -> dict[str, str]:
    """What stands before the words of each speaker; nothing where only one speaks."""
    speakers = dict.fromkeys(segment.speaker for segment in segments if segment.speaker and segment.text.strip())
    if len(speakers) < 2:  # noqa: PLR2004 - one voice needs no name
        return {}
    room = int(limits.width * _MOST_LABEL)
    return {speaker: f"{_name(speaker)[: room - 2]}: " for speaker in speakers}


def _name(speaker: str) -> str:
    """`SPEAKER_00`, as models say, is Speaker 1; other names are names."""
    number = speaker.removeprefix("SPEAKER_")
    return f"Speaker {int(number) + 1}" if number != speaker and number.isdecimal() else " ".join(tokens_of(speaker))


def _cue_of(segment: SpokenSegment, label: str, music: Sequence[Span], limits: Limits) -> Cue:
    sung = _share_under(segment, music) >= 0.5  # noqa: PLR2004 - more with music than without
    room = limits.width - len(label) - (4 if sung else 0)
    tokens = [
        Token(piece, token.start, token.end)
        for token in timed_tokens(segment)
        for piece in break_long(token.text, room)
    ]
    return Cue(tuple(tokens), label, sung=sung)


def _share_under(segment: Span, music: Sequence[Span]) -> float:
    under = sum(max(0.0, min(segment.end, span.end) - max(segment.start, span.start)) for span in music)
    return under / (segment.end - segment.start) if segment.end > segment.start else 0.0


def timed_tokens(segment: SpokenSegment) -> list[Token]:
    """The words of the segment's text with their times.

    The text counts. Where it has as many words as there are times, they go together; else (a translation, a corrected
    name of two words) the words share the segment's time by their length.
    """
    texts = tokens_of(segment.text)
    if len(texts) == len(segment.words):
        return _forward([Token(text, word.start, word.end) for text, word in zip(texts, segment.words, strict=True)])
    letters = sum(len(text) + 1 for text in texts)
    seconds = (segment.end - segment.start) / letters if letters else 0.0
    tokens: list[Token] = []
    at = segment.start
    for text in texts:
        until = at + seconds * (len(text) + 1)
        tokens.append(Token(text, at, until))
        at = until
    return tokens


def _forward(tokens: list[Token]) -> list[Token]:
    """Times that never go back, whatever the model said."""
    at = 0.0
    moved: list[Token] = []
    for token in tokens:
        start = max(at, token.start)
        moved.append(Token(token.text, start, max(start, token.end)))
        at = start
    return moved


def _split(cue: Cue, limits: Limits) -> list[Cue]:
    """The cue in parts that fit, broken at the best places."""
    if cue.fits(limits):
        return [cue]
    middle = min(range(1, len(cue.tokens)), key=lambda index: _cost_of_break(cue, index))
    halves = (replace(cue, tokens=cue.tokens[:middle]), replace(cue, tokens=cue.tokens[middle:]))
    return [part for half in halves for part in _split(half, limits)]


def _cost_of_break(cue: Cue, index: int) -> float:
    """How bad a break before this word is: 0 in the very middle, less after a sentence, a clause or a pause."""
    lengths = [len(token.text) + 1 for token in cue.tokens]
    balance = abs(sum(lengths[:index]) - sum(lengths[index:])) / sum(lengths)
    last, following = cue.tokens[index - 1], cue.tokens[index]
    bonus = 0.5 if last.text.endswith(_ENDS_SENTENCE) else 0.25 if last.text.endswith(_ENDS_CLAUSE) else 0.0
    return balance - bonus - min(0.5, max(0.0, following.start - last.end))


def _merge(cues: list[Cue], limits: Limits) -> list[Cue]:
    """Neighbours of the same speaker as one cue, where that still fits and they follow each other closely."""
    merged: list[Cue] = []
    for cue in cues:
        joined = replace(merged[-1], tokens=merged[-1].tokens + cue.tokens) if merged else cue
        if merged and _belong_together(merged[-1], cue, limits) and joined.fits(limits):
            merged[-1] = joined
        else:
            merged.append(cue)
    return merged


def _belong_together(first: Cue, second: Cue, limits: Limits) -> bool:
    same = (first.label, first.sung) == (second.label, second.sung)
    return same and 0 <= second.start - first.end <= limits.merge_gap


def music_cues(music: Iterable[Span], speech: Iterable[Cue], least: float, longest: float) -> list[tuple[float, float]]:
    """A cue, at most `longest` seconds, for each passage of at least `least` seconds with music and without words."""
    busy = sorted((cue.start, cue.end) for cue in speech)
    passages: list[tuple[float, float]] = []
    for span in _joined(music):
        at = span[0]
        for start, end in [*busy, (span[1], span[1])]:
            until = min(start, span[1])
            if until - at >= least:
                passages.append((at, min(until, at + longest)))
            at = max(at, end)
            if at >= span[1]:
                break
    return passages


def _joined(spans: Iterable[Span]) -> list[tuple[float, float]]:
    """The spans in order, those that touch as one."""
    joined: list[tuple[float, float]] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined and span.start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], span.end))
        else:
            joined.append((span.start, span.end))
    return joined


def timed(texts: Iterable[tuple[float, float, str]], limits: Limits) -> list[TimedText]:
    """Texts with start and end in seconds, in order: none overlaps another, none is shown too shortly or too long."""
    ordered = sorted(texts, key=lambda text: text[0])
    starts: list[int] = []
    for start, _, _ in ordered:
        starts.append(max(round(start * 1000), starts[-1] + _SHORTEST_MS if starts else 0))
    longest, shortest = round(limits.longest * 1000), round(limits.shortest * 1000)
    cues: list[TimedText] = []
    for (_, end, text), start, following in zip_longest(ordered, starts, starts[1:]):
        until = min(max(round(end * 1000), start + shortest), start + longest)
        cues.append(TimedText(start, until if following is None else min(until, following), text))
    return cues
