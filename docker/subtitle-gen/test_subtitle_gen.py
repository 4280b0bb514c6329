"""What must hold for all subtitles, whatever was said."""

import re
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as some

from cp_whisperx.cli import schema_text
from cp_whisperx.contract import (
    AsrResult,
    LyricsResult,
    MusicSpan,
    PostNerResult,
    SpeakerSpan,
    SpokenSegment,
    StageResult,
    TranslatedSegment,
    TranslationResult,
    Word,
)
from cp_whisperx.stage import StageError
from cp_whisperx_testing import context_for, make_job
from cues import Limits
from subtitle_gen import STAGE, SubtitleSettings, choose_text, make_subtitles, run, with_speakers
from wrapping import tokens_of, wrap

LIMITS = Limits(width=42, lines=2, longest=7.0, shortest=1.0, merge_gap=0.8)
SETTINGS = SubtitleSettings()


LETTERS = "abcdefghij XYZ .,?!-'{}<>\\\n\t\u0000\u2028\u00e9\u0939\u0940\u8a9e\u266b1"
WORDS = some.lists(some.text("abcé語", min_size=1, max_size=12), max_size=40).map(". ".join)


@some.composite
def segments(draw: some.DrawFn) -> SpokenSegment:
    start = draw(some.floats(0, 600))
    end = start + draw(some.floats(0, 40))
    text = draw(some.text(LETTERS, max_size=200) | WORDS)
    words: list[Word] = []
    if draw(some.booleans()):
        times = sorted(draw(some.floats(start, end)) for _ in tokens_of(text))
        ends = [*times[1:], end]
        words = [Word(start=a, end=max(a, b), text="w", probability=1) for a, b in zip(times, ends, strict=False)]
    speaker = draw(some.sampled_from([None, "SPEAKER_00", "SPEAKER_01", "A person with a very long name indeed, sir"]))
    return SpokenSegment(start=start, end=end, text=text, speaker=speaker, words=tuple(words))


@some.composite
def music(draw: some.DrawFn) -> MusicSpan:
    start = draw(some.floats(0, 600))
    return MusicSpan(start=start, end=start + draw(some.floats(0, 60)), kind="music", confidence=1)


def shown(subtitles: pysubs2.SSAFile) -> list[pysubs2.SSAEvent]:
    return pysubs2.SSAFile.from_string(subtitles.to_string("srt", keep_ssa_tags=True)).events


@given(some.lists(segments(), max_size=12), some.lists(music(), max_size=4))
def test_cues_keep_their_limits(said: list[SpokenSegment], heard: list[MusicSpan]) -> None:
    events = make_subtitles(said, heard, LIMITS, SETTINGS).events
    for event in events:
        lines = event.text.split("\\N")
        assert len(lines) <= 2
        assert max(len(line) for line in lines) <= 42
        assert all(line.strip() for line in lines)
        assert 0 < event.end - event.start <= 7000
    for first, second in pairwise(events):
        assert first.start < second.start
        assert first.end <= second.start


@given(some.lists(segments(), max_size=12), some.lists(music(), max_size=4))
def test_no_letter_is_lost(said: list[SpokenSegment], heard: list[MusicSpan]) -> None:
    plain = [_without_label_words(segment) for segment in said]
    assert sorted(shown_letters(plain, heard)) == sorted(said_letters(plain))


@given(some.lists(segments(), max_size=12), some.lists(music(), max_size=4))
def test_what_is_said_one_after_the_other_is_shown_so(said: list[SpokenSegment], heard: list[MusicSpan]) -> None:
    plain = [_at(_without_label_words(segment), 50 * index) for index, segment in enumerate(said)]
    assert shown_letters(plain, heard) == said_letters(plain)


def _at(segment: SpokenSegment, start: float) -> SpokenSegment:
    return segment.model_copy(update={"start": start, "end": start + (segment.end - segment.start), "words": ()})


def shown_letters(said: list[SpokenSegment], heard: list[MusicSpan]) -> str:
    events = make_subtitles(said, heard, LIMITS, SETTINGS).events
    text = "".join(event.text for event in events if event.text != "♪ music ♪").replace("\\N", "")
    return re.sub(r"(Speaker [12]|A person with a ver): |[♪\s]", "", text)


def said_letters(said: list[SpokenSegment]) -> str:
    return "".join("".join(tokens_of(segment.text)) for segment in sorted(said, key=lambda segment: segment.start))


def _without_label_words(segment: SpokenSegment) -> SpokenSegment:
    """The same without what the test takes off again: labels end in a colon, notes mark music."""
    return segment.model_copy(update={"text": re.sub(r"[:♪]", "", segment.text)})


@given(some.lists(segments(), max_size=8))
def test_a_file_numbers_all_its_cues_without_a_gap(said: list[SpokenSegment]) -> None:
    subtitles = make_subtitles(said, [], LIMITS, SETTINGS)
    numbers = re.findall(r"(?m)^(\d+)\n\d\d:\d\d:\d\d,\d{3} --> ", subtitles.to_string("srt", keep_ssa_tags=True))
    assert [int(number) for number in numbers] == list(range(1, len(subtitles.events) + 1))


@given(some.lists(some.text("abc", min_size=1, max_size=20), min_size=1, max_size=20), some.integers(1, 3))
def test_wrapping_keeps_all_words_or_says_no(words: list[str], lines: int) -> None:
    wrapped = wrap(tuple(words), 42, lines)
    if wrapped is None:
        assert len(" ".join(words)) > 42
    else:
        assert " ".join(wrapped).split() == words
        assert len(wrapped) <= lines
        assert all(len(line) <= 42 for line in wrapped)


def spoken(start: float, end: float, text: str, speaker: str | None = None) -> SpokenSegment:
    words = text.split()
    step = (end - start) / len(words)
    timed = (
        Word(start=start + step * index, end=start + step * (index + 1), text=word, probability=0.9)
        for index, word in enumerate(words)
    )
    return SpokenSegment(start=start, end=end, text=text, speaker=speaker, words=tuple(timed))


def texts(*said: SpokenSegment, heard: tuple[MusicSpan, ...] = ()) -> list[str]:
    return [event.text for event in make_subtitles(said, heard, LIMITS, SETTINGS).events]


def test_lines_are_even() -> None:
    assert wrap(("He", "left", "for", "Delhi", "on", "Monday", "with", "two", "hundred", "rupees"), 42, 2) == [
        "He left for Delhi on Monday",
        "with two hundred rupees",
    ]


def test_two_speakers_get_names_that_count_in_the_width() -> None:
    first = spoken(0, 4, "Good evening, Inspector Sharma. The train arrives.", "SPEAKER_00")
    second = spoken(4.2, 6, "Thank you, Priya.", "SPEAKER_01")
    assert texts(first, second) == [
        "Speaker 1: Good evening, Inspector\\NSharma. The train arrives.",
        "Speaker 2: Thank you, Priya.",
    ]
    assert texts(first)[0].startswith("Good evening")


def test_short_cues_of_one_speaker_become_one() -> None:
    assert texts(spoken(0, 1, "Good."), spoken(1.5, 3, "Call Doctor Mehta.")) == ["Good. Call Doctor Mehta."]
    assert texts(spoken(0, 1, "Good."), spoken(2.5, 4, "Call Doctor Mehta.")) == ["Good.", "Call Doctor Mehta."]
    assert len(texts(spoken(0, 4, "Good."), spoken(4.1, 7.5, "Call Doctor Mehta."))) == 2


def test_a_long_segment_is_split_at_its_sentence_by_the_times_of_its_words() -> None:
    text = "Then somebody in London must have warned him. We need to find the missing letter tonight, all of us."
    events = make_subtitles([spoken(10, 20, text)], [], LIMITS, SETTINGS).events
    assert [event.text.replace("\\N", " ") for event in events] == [
        "Then somebody in London must have warned him.",
        "We need to find the missing letter tonight, all of us.",
    ]
    assert (events[0].start, events[1].start, events[1].end) == (10_000, 14_211, 20_000)


def test_speech_over_music_is_marked_and_music_alone_has_its_own_cue() -> None:
    heard = (
        MusicSpan(start=0, end=20, kind="music", confidence=1),
        MusicSpan(start=30, end=32, kind="music", confidence=1),
    )
    events = make_subtitles([spoken(10, 12, "We sing."), spoken(25, 27, "We talk.")], heard, LIMITS, SETTINGS).events
    assert [(event.start, event.end, event.text) for event in events] == [
        (0, 7000, "♪ music ♪"),
        (10_000, 12_000, "♪ We sing. ♪"),
        (12_000, 19_000, "♪ music ♪"),
        (25_000, 27_000, "We talk."),
    ]


def test_what_looks_like_a_command_is_text() -> None:
    subtitles = make_subtitles([spoken(0, 2, r"{\an8} <b> C:\new")], [], LIMITS, SETTINGS)
    assert "{/an8} <b> C:/new\n" in subtitles.to_string("srt", keep_ssa_tags=True)


def test_a_speaker_is_whoever_speaks_longest() -> None:
    turns = [SpeakerSpan(start=0, end=1, speaker="A"), SpeakerSpan(start=1, end=4, speaker="B")]
    named = with_speakers([spoken(0, 3, "x"), spoken(9, 10, "y"), spoken(0, 3, "z", "C")], turns)
    assert [segment.speaker for segment in named] == ["B", None, "C"]


HEARD = AsrResult(language="hi", segments=(spoken(0, 1, "heard"),), model="base")
TRANSLATED = TranslationResult(
    source_language="hi",
    target_language="en",
    method="whisper",
    segments=(TranslatedSegment(start=0, end=1, text="translated", original="heard"),),
)


def corrected(source: str) -> PostNerResult:
    fields = {"source": source, "segments": [spoken(0, 1, "corrected")], "corrections": [], "entities": {}}
    return PostNerResult.model_validate(fields)


@pytest.mark.parametrize(
    ("translation", "correction", "language", "text"),
    [
        (None, None, "hi", "heard"),
        (None, corrected("asr"), "hi", "corrected"),
        (TRANSLATED, None, "en", "translated"),
        (TRANSLATED, corrected("second-pass-translation"), "en", "corrected"),
        (TRANSLATED, corrected("asr"), "en", "translated"),
    ],
)
def test_the_text_that_is_shown(
    translation: TranslationResult | None, correction: PostNerResult | None, language: str, text: str
) -> None:
    chosen, shown_segments = choose_text(HEARD, translation, correction)
    assert (chosen, shown_segments[0].text) == (language, text)


def test_the_stage_writes_a_file_that_reads_back(tmp_path: Path) -> None:
    job = make_job(tmp_path / "job")
    lyrics = LyricsResult(segments=(MusicSpan(start=5, end=10, kind="music", confidence=0.9),))
    given_results: tuple[StageResult, ...] = (HEARD, TRANSLATED, lyrics)
    context = context_for(job, SubtitleSettings(), given_results)
    result = run(context)
    read = pysubs2.load(str(context.output / "film.srt"))
    assert [event.text for event in read] == ["translated", "♪ music ♪"]
    assert (result.cues, result.language, result.subtitles) == (2, "eng", "subtitle-gen/film.srt")


def test_a_film_without_any_word_says_so(tmp_path: Path) -> None:
    silent = AsrResult(language="en", segments=(), model="base")
    with pytest.raises(StageError, match="nothing to subtitle"):
        run(context_for(make_job(tmp_path / "job"), SubtitleSettings(), (silent,)))


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
