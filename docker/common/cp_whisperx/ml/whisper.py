"""Whisper, applied to the speech segments only."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from faster_whisper import BatchedInferencePipeline, WhisperModel

from cp_whisperx.ml.intervals import Interval, at_least, grouped, widened, without
from cp_whisperx.ml.sound import Sound
from cp_whisperx.ml.stock_phrases import is_stock_phrase

_PAD: Final = 0.1
"""Seconds added around a stretch of speech, so that its first and last sounds are complete."""
_PAUSE: Final = 2.0
"""Maximum seconds of silence within a chunk."""
_BLOCK: Final = 600.0
"""Seconds of film that are in memory at once."""
_BETWEEN_WORDS: Final = 0.4
"""Maximum error of word timestamps in seconds."""
_WORTH_HEARING_AGAIN: Final = 1.2
"""Seconds of speech without any word from which on it counts as skipped."""
_COMPRESSION: Final = 2.4
_LOG_PROBABILITY: Final = -1.0
"""Whisper's own limits: text that compresses better is repetitive, text that is less probable is a guess."""
_LANGUAGE_SAMPLES: Final = 5


@dataclass(frozen=True)
class HeardWord:
    """A word from Whisper, with its leading space, if any."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True)
class Heard:
    """A segment of text from Whisper."""

    words: tuple[HeardWord, ...]

    @property
    def text(self) -> str:
        """The words as one text."""
        return "".join(word.text for word in self.words).strip()

    @property
    def interval(self) -> Interval:
        """From its first word to its last, in seconds."""
        return self.words[0].start, self.words[-1].end


def find_language(model: WhisperModel, sound: Sound, speech: Sequence[Interval]) -> str:
    """The most probable language over samples from the whole film, as ISO 639-1 code."""
    pieces = grouped(speech, 30.0, _PAUSE)
    samples = pieces[:: max(1, -(-len(pieces) // _LANGUAGE_SAMPLES))]
    votes: dict[str, float] = {}
    for start, end in samples:
        _, _, probabilities = model.detect_language(audio=sound.between(start, min(end, start + 30)))
        for language, probability in probabilities:
            votes[language] = votes.get(language, 0.0) + probability
    return max(votes, key=lambda language: votes[language])


@dataclass(frozen=True)
class Hearing:
    """How speech is transcribed."""

    language: str
    task: str
    beam_size: int
    batch_size: int
    piece_seconds: float
    """Maximum length of a chunk; Whisper skips the end of longer ones."""
    hotwords: str | None
    """Names to expect."""

    def options(self) -> dict[str, Any]:
        """What both ways of faster-whisper take."""
        return {
            "language": self.language,
            "task": self.task,
            "beam_size": self.beam_size,
            "hotwords": self.hotwords,
            "word_timestamps": True,
        }


def transcribe(
    model: WhisperModel, sound: Sound, speech: Sequence[Interval], hearing: Hearing, progress: Callable[[float], None]
) -> list[Heard]:
    """The text of all speech, in order of time.

    Transcribes chunks in batches, which is fast and sometimes skips a sentence or gets into a loop. Such chunks are
    detected by their statistics, and by typical hallucinations, and are transcribed again one by one.
    """
    pieces = grouped(widened(speech, _PAD, sound.duration), hearing.piece_seconds, _PAUSE)
    result: list[Heard] = []
    for block in _blocks(pieces):
        batched = _hear_batched(model, sound, block, hearing)
        heard = [stretch for stretch in batched if not is_stock_phrase(stretch.text)]
        missed = passed_over([span for span in speech if _within(span, block)], heard)
        for piece in grouped(widened(missed, _PAD, sound.duration), hearing.piece_seconds, _PAUSE):
            heard.extend(_hear_alone(model, sound, piece, hearing))
        result.extend(heard)
        progress(block[-1][1] / sound.duration)
    return sorted(result, key=lambda stretch: stretch.interval)


def passed_over(speech: Iterable[Interval], heard: Sequence[Heard]) -> list[Interval]:
    """The parts of speech without any text."""
    words = [(word.start - _BETWEEN_WORDS, word.end + _BETWEEN_WORDS) for stretch in heard for word in stretch.words]
    return at_least(without(speech, words), _WORTH_HEARING_AGAIN)


def _blocks(pieces: Sequence[Interval]) -> Iterator[list[Interval]]:
    block: list[Interval] = []
    for piece in pieces:
        if block and piece[1] - block[0][0] > _BLOCK:
            yield block
            block = []
        block.append(piece)
    if block:
        yield block


def _within(span: Interval, block: Sequence[Interval]) -> bool:
    return block[0][0] <= span[0] and span[1] <= block[-1][1]


def _hear_batched(model: WhisperModel, sound: Sound, block: Sequence[Interval], hearing: Hearing) -> Iterator[Heard]:
    origin = block[0][0]
    segments, _ = BatchedInferencePipeline(model).transcribe(
        sound.between(origin, block[-1][1]),
        clip_timestamps=[{"start": start - origin, "end": end - origin} for start, end in block],
        batch_size=hearing.batch_size,
        chunk_length=hearing.piece_seconds,
        without_timestamps=False,
        **hearing.options(),
    )
    return _trusted(segments, origin)


def _hear_alone(model: WhisperModel, sound: Sound, piece: Interval, hearing: Hearing) -> Iterator[Heard]:
    segments, _ = model.transcribe(sound.between(*piece), condition_on_previous_text=False, **hearing.options())
    return _trusted(segments, piece[0])


def _trusted(segments: Iterable[Any], origin: float) -> Iterator[Heard]:
    """The segments of faster-whisper with good statistics, with times from the start of the film."""
    for segment in segments:
        repeats = segment.compression_ratio > _COMPRESSION
        if segment.words and not repeats and segment.avg_logprob >= _LOG_PROBABILITY:
            yield Heard(tuple(_words(segment.words, origin)))


def _words(words: Sequence[Any], origin: float) -> Iterator[HeardWord]:
    """The words with monotonic times."""
    ends = [0.0, *(word.end for word in words)]
    for word, (before, end) in zip(words, pairwise(ends), strict=True):
        start = max(word.start, min(before, end))
        yield HeardWord(origin + start, origin + max(start, end), word.word, min(1.0, max(0.0, word.probability)))
