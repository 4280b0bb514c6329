"""The speaker of each word: from the diarization's turns, with small corrections."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from cp_whisperx.contract import SpeakerSpan
from cp_whisperx.ml.intervals import overlap
from cp_whisperx.ml.whisper import HeardWord

_NEAR: Final = 1.0
"""Maximum seconds from a word outside all turns to the turn that it is assigned to."""
_REACH: Final = 2
"""Maximum words by which a speaker change is moved to the end of a sentence."""
_SENTENCE_ENDS: Final = (".", "?", "!", "…", "।", "。", "\uff1f", "\uff01")


def speakers_of_words(words: Sequence[HeardWord], turns: Sequence[SpeakerSpan]) -> list[str | None]:
    """The speaker of each word of a segment; None if no turn is near. `turns` are in order of time."""
    ends = [turn.end for turn in turns]
    speakers = [_speaker(word, turns, ends) for word in words]
    return at_sentence_ends(words, without_islands(words, speakers))


def _speaker(word: HeardWord, turns: Sequence[SpeakerSpan], ends: Sequence[float]) -> str | None:
    """The speaker of the turn with the largest part of a word, else of the nearest turn."""
    best: tuple[float, float] = (0.0, -_NEAR)
    speaker = None
    for turn in turns[bisect_left(ends, word.start - _NEAR) :]:
        if turn.start > word.end + _NEAR:
            break
        distance = max(turn.start - word.end, word.start - turn.end, 0.0)
        fit = (overlap((word.start, word.end), (turn.start, turn.end)), -distance)
        if fit > best:
            best, speaker = fit, turn.speaker
    return speaker


def without_islands(words: Sequence[HeardWord], speakers: Sequence[str | None]) -> list[str | None]:
    """Assigns a single word between two words of another speaker to that speaker, unless it is a sentence: a reply."""
    ends = [word.text.strip().endswith(_SENTENCE_ENDS) for word in words]
    result = list(speakers)
    for index in range(1, len(result) - 1):
        is_reply = ends[index - 1] and ends[index]
        if result[index - 1] == result[index + 1] and not is_reply:
            result[index] = result[index - 1]
    return result


def at_sentence_ends(words: Sequence[HeardWord], speakers: Sequence[str | None]) -> list[str | None]:
    """Moves speaker changes to the end of a sentence if one is near.

    Word timestamps are off by a few tenths of a second, and speakers seldom change in the middle of a sentence.
    """
    moved = list(speakers)
    changes = [index for index in range(1, len(moved)) if speakers[index] != speakers[index - 1]]
    for change in changes:
        nearby = range(max(1, change - _REACH), min(len(words), change + _REACH + 1))
        ends = [index for index in nearby if words[index - 1].text.strip().endswith(_SENTENCE_ENDS)]
        if not ends:
            continue
        target = min(ends, key=lambda index: abs(index - change))
        before, after = speakers[change - 1], speakers[change]
        moved[change:target] = [before] * (target - change)
        moved[target:change] = [after] * (change - target)
    return moved
