"""Makes readable cues from timed segments of speech: split where the speech pauses, never overlapping.

The figures are those of Netflix's Timed Text Style Guide (42 characters, 2 lines, 5/6 s to 7 s, two frames apart, 17 to
20 characters a second) and of the BBC's Subtitle Guidelines (breaks at clauses, in step with the speech).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, zip_longest
from typing import Final

from cp_whisperx.contract import Span, SpokenSegment
from wrapping import break_long, fits, length_of, length_of_line, tokens_of, wrap

NOTE: Final = "♪"
_BETWEEN_MS: Final = 84
"""Two frames at 24 frames per second."""
_SHORTEST_MS: Final = 100
"""Minimum duration of a cue when several people speak at once."""
_SHIFT_MS: Final = 200
"""How much later or earlier than its speech a cue may begin, so that it and its neighbours can be read."""
_TOLERATED: Final = 17 / 20
"""A cue shifts its neighbour only above 20/17 of the preferred reading speed."""
_ENDS_SENTENCE: Final = (".", "?", "!", "…", "।", "。", "؟")
_ENDS_CLAUSE: Final = (",", ";", ":", "-", "–", "،", "、")  # noqa: RUF001 - a dash is what it looks for
_MOST_LABEL: Final = 0.5
"""Maximum share of a line for the name of a speaker."""


@dataclass(frozen=True)
class Limits:
    """The limits of a cue."""

    width: int
    """Maximum graphemes in a line."""
    lines: int
    longest: float
    """Seconds."""
    shortest: float
    """Seconds, if the next cue permits."""
    pause: float
    """Seconds of silence that end a cue."""
    speed: float
    """Preferred reading speed in graphemes per second."""

    def seconds_for(self, graphemes: float) -> float:
        """The seconds that a text needs at the preferred reading speed."""
        return min(self.longest, max(self.shortest, graphemes / self.speed))


@dataclass(frozen=True)
class Token:
    """One word and its times in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Cue:
    """Words of one speaker that appear together."""

    tokens: tuple[Token, ...]
    speaker: str | None = None
    label: str = ""
    """What stands before the words: the speaker's name."""
    sung: bool = False

    @property
    def start(self) -> float:
        """Seconds."""
        return self.tokens[0].start

    @property
    def end(self) -> float:
        """Seconds."""
        return max(token.end for token in self.tokens)

    @property
    def words(self) -> tuple[str, ...]:
        """What is said."""
        return tuple(token.text for token in self.tokens)

    @property
    def frame(self) -> tuple[str, str]:
        """What stands before the words and after them."""
        return (f"{self.label}{NOTE} ", f" {NOTE}") if self.sung else (self.label, "")

    def fits(self, limits: Limits) -> bool:
        """Whether it is within the limits of length and duration."""
        before, after = (length_of(text) for text in self.frame)
        lasts = self.end - self.start
        return lasts <= limits.longest and fits(self.words, limits.width, limits.lines, before, after)

    def text(self, limits: Limits) -> str:
        """The text, wrapped into lines."""
        before, after = self.frame
        lines = wrap(self.words, limits.width, limits.lines, length_of(before), length_of(after)) or [
            " ".join(self.words)
        ]
        return before + "\n".join(lines) + after


@dataclass(frozen=True)
class TimedText:
    """A cue of the subtitle file: start and end in milliseconds, and wrapped text."""

    start: int
    end: int
    text: str


def cues_of(segments: Iterable[SpokenSegment], songs: Sequence[Span], limits: Limits, *, named: bool) -> list[Cue]:
    """The cues of all segments, sorted by start; with the names of the speakers if `named`."""
    ordered = sorted(segments, key=lambda segment: segment.start)
    labels = _labels(ordered, limits) if named else {}
    whole = [_cue_of(segment, labels.get(segment.speaker or "", ""), songs, limits) for segment in ordered]
    runs = groupby((cue for cue in whole if cue.tokens), key=lambda cue: (cue.speaker, cue.label, cue.sung))
    cues: list[Cue] = []
    for (speaker, label, sung), run in runs:
        for tokens in _at_pauses(_forward([token for cue in run for token in cue.tokens]), limits.pause):
            cues.extend(_best_parts(Cue(tokens, speaker, label, sung), limits))
    return sorted(cues, key=lambda cue: cue.start)


def _labels(segments: Iterable[SpokenSegment], limits: Limits) -> dict[str, str]:
    """The text before the words of each speaker; empty if there is only one."""
    speakers = dict.fromkeys(segment.speaker for segment in segments if segment.speaker and segment.text.strip())
    if len(speakers) < 2:  # noqa: PLR2004 - one voice needs no name
        return {}
    room = int(limits.width * _MOST_LABEL)
    return {speaker: f"{_name(speaker)[: room - 2]}: " for speaker in speakers}


def _name(speaker: str) -> str:
    """The displayed name: `SPEAKER_00` from a model becomes Speaker 1, other names stay."""
    number = speaker.removeprefix("SPEAKER_")
    return f"Speaker {int(number) + 1}" if number != speaker and number.isdecimal() else " ".join(tokens_of(speaker))


def _cue_of(segment: SpokenSegment, label: str, songs: Sequence[Span], limits: Limits) -> Cue:
    sung = _share_under(segment, songs) >= 0.5  # noqa: PLR2004 - more with song than without
    room = limits.width - length_of(label) - (4 if sung else 0)
    tokens = tuple(piece for token in timed_tokens(segment) for piece in _pieces(token, room))
    return Cue(tokens, segment.speaker, label, sung)


def _pieces(token: Token, room: int) -> list[Token]:
    """Splits a word that is longer than a line into pieces, which share its time by length."""
    return _shared_out(break_long(token.text, room), token.start, token.end)


def _share_under(segment: Span, songs: Sequence[Span]) -> float:
    under = sum(max(0.0, min(segment.end, span.end) - max(segment.start, span.start)) for span in songs)
    return under / (segment.end - segment.start) if segment.end > segment.start else 0.0


def timed_tokens(segment: SpokenSegment) -> list[Token]:
    """The words of the segment's text with their times.

    If the text has as many words as timestamps, they are paired; otherwise (a translation, a corrected name of two
    words) the words share the segment's time by length.
    """
    texts = tokens_of(segment.text)
    if len(texts) == len(segment.words):
        return _forward([Token(text, word.start, word.end) for text, word in zip(texts, segment.words, strict=True)])
    return _shared_out(texts, segment.start, segment.end)


def _shared_out(texts: Sequence[str], start: float, end: float) -> list[Token]:
    """The texts in sequence, each with a share of the time by its length."""
    letters = sum(length_of(text) + 1 for text in texts)
    tokens: list[Token] = []
    for text in texts:
        until = start + (end - start) * (length_of(text) + 1) / letters
        tokens.append(Token(text, start, until))
        letters -= length_of(text) + 1
        start = until
    return tokens


def _forward(tokens: list[Token]) -> list[Token]:
    """The tokens with monotonic times."""
    at = 0.0
    moved: list[Token] = []
    for token in tokens:
        start = max(at, token.start)
        moved.append(Token(token.text, start, max(start, token.end)))
        at = start
    return moved


def _at_pauses(tokens: Sequence[Token], pause: float) -> Iterator[tuple[Token, ...]]:
    """The words, split at silences longer than `pause` seconds."""
    cuts = [index for index in range(1, len(tokens)) if tokens[index].start - tokens[index - 1].end > pause]
    for start, end in pairwise((0, *cuts, len(tokens))):
        yield tuple(tokens[start:end])


def _best_parts(run: Cue, limits: Limits) -> list[Cue]:
    """The words in cues within the limits, split so that the total cost is minimal."""
    tokens = run.tokens
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(tokens) + 1):
        following = tokens[end] if end < len(tokens) else None
        ways: list[tuple[float, int]] = []
        for start in range(end - 1, -1, -1):
            part = replace(run, tokens=tokens[start:end])
            if ways and not part.fits(limits):
                break
            ways.append((best[start][0] + _badness(part, following, limits), start))
        best.append(min(ways))
    parts: list[Cue] = []
    end = len(tokens)
    while end:
        start = best[end][1]
        parts.insert(0, replace(run, tokens=tokens[start:end]))
        end = start
    return parts


def _badness(cue: Cue, following: Token | None, limits: Limits) -> float:
    """The cost of a cue: 1, plus more if it is full, ends in mid-sentence or is too short to be read."""
    length = length_of_line(cue.words)
    cost = 1 + (length / (limits.width * limits.lines)) ** 2
    if following is None:
        return cost
    last = cue.tokens[-1]
    ending = 0.0 if last.text.endswith(_ENDS_SENTENCE) else 0.5 if last.text.endswith(_ENDS_CLAUSE) else 1.5
    missing = 1 - (following.start - cue.start) / limits.seconds_for(length)
    return cost + ending - min(1.0, following.start - last.end) + 4 * max(0.0, missing)


def with_replies(cues: Sequence[Cue], limits: Limits, mark: str) -> Iterator[tuple[float, float, str]]:
    """Start, end and text of cues; a reply too short for one shares its neighbour's, a line each after `mark`."""
    waiting: Cue | None = None
    for cue in cues:
        if waiting is not None and _belong_together(waiting, cue, limits):
            yield (
                waiting.start,
                max(waiting.end, cue.end),
                "\n".join(mark + " ".join(each.words) for each in (waiting, cue)),
            )
            waiting = None
            continue
        if waiting is not None:
            yield waiting.start, waiting.end, waiting.text(limits)
        waiting = cue
    if waiting is not None:
        yield waiting.start, waiting.end, waiting.text(limits)


def _belong_together(first: Cue, second: Cue, limits: Limits) -> bool:
    """Whether two cues are of two speakers, a line each, and one of them is too short to stand alone."""
    if first.speaker == second.speaker or first.sung or second.sung or first.label or limits.lines == 1:
        return False
    lines = [length_of_line(cue.words) + 1 for cue in (first, second)]
    close = second.start - first.end <= limits.pause and second.end - first.start <= limits.longest
    return (
        close and max(lines) <= limits.width and min(cue.end - cue.start for cue in (first, second)) < limits.shortest
    )


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
    """The spans in order; those that touch are merged."""
    joined: list[tuple[float, float]] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined and span.start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], span.end))
        else:
            joined.append((span.start, span.end))
    return joined


def timed(texts: Iterable[tuple[float, float, str]], limits: Limits) -> list[TimedText]:
    """The cues in order, at least two frames apart, and each long enough to be read if possible.

    `texts` have start and end in seconds. If the next cue follows too soon, both shift a little.
    """
    ordered = sorted(texts, key=lambda text: text[0])
    voices = [round(start * 1000) for start, _, _ in ordered]
    needed = [round(limits.seconds_for(length_of(text) * _TOLERATED) * 1000) for _, _, text in ordered]
    starts = _earlier(_later(voices, needed), voices, needed)
    longest = round(limits.longest * 1000)
    cues: list[TimedText] = []
    for (_, end, text), start, following in zip_longest(ordered, starts, starts[1:]):
        until = min(max(round(end * 1000), start + round(limits.seconds_for(length_of(text)) * 1000)), start + longest)
        cues.append(TimedText(start, until if following is None else min(until, following - _BETWEEN_MS), text))
    return cues


def _later(voices: Sequence[int], needed: Sequence[int]) -> list[int]:
    """The starts of cues: with the speech, or a little later so that the previous cue can be read."""
    starts: list[int] = []
    for voice, before in zip(voices, [0, *needed], strict=False):
        start = voice
        if starts:
            readable = min(starts[-1] + before + _BETWEEN_MS, voice + _SHIFT_MS)
            start = max(voice, readable, starts[-1] + _SHORTEST_MS + _BETWEEN_MS)
        starts.append(start)
    return starts


def _earlier(starts: list[int], voices: Sequence[int], needed: Sequence[int]) -> list[int]:
    """The starts, a little earlier if a cue is still too short and the previous one can spare the time."""
    for index in range(1, len(starts) - 1):
        missing = starts[index] + needed[index] + _BETWEEN_MS - starts[index + 1]
        spare = starts[index] - starts[index - 1] - needed[index - 1] - _BETWEEN_MS
        starts[index] -= max(0, min(missing, spare, starts[index] - voices[index] + _SHIFT_MS))
    return starts
