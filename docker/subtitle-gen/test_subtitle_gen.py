"""What must hold for all subtitles, whatever was said."""

import re
from itertools import pairwise, zip_longest
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
from wrapping import break_long, length_of, tokens_of, wrap

LIMITS = Limits(width=42, lines=2, longest=7.0, shortest=0.83, pause=1.5, speed=17)
SETTINGS = SubtitleSettings()
NAMED, DASHED = SubtitleSettings(subtitle_speakers="name"), SubtitleSettings(subtitle_speakers="dash")
STYLES = some.sampled_from([SETTINGS, NAMED, DASHED])
TWO_FRAMES = 84

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
    kind = draw(some.sampled_from(["music", "song"]))
    return MusicSpan(start=start, end=start + draw(some.floats(0, 60)), kind=kind, confidence=1)


def shown(subtitles: pysubs2.SSAFile) -> list[pysubs2.SSAEvent]:
    return pysubs2.SSAFile.from_string(subtitles.to_string("srt", keep_ssa_tags=True)).events


@given(some.lists(segments(), max_size=12), some.lists(music(), max_size=4), STYLES)
def test_cues_keep_their_limits(said: list[SpokenSegment], heard: list[MusicSpan], style: SubtitleSettings) -> None:
    events = make_subtitles(said, heard, LIMITS, style).events
    for event in events:
        lines = event.text.split("\\N")
        assert len(lines) <= 2
        assert max(length_of(line) for line in lines) <= 42
        assert all(line.strip() for line in lines)
        assert 0 < event.end - event.start <= 7000
    for first, second in pairwise(events):
        assert first.end + TWO_FRAMES <= second.start


@given(some.lists(segments(), max_size=12), STYLES)
def test_a_cue_can_be_read_or_lasts_until_the_next(said: list[SpokenSegment], style: SubtitleSettings) -> None:
    events = make_subtitles(said, [], LIMITS, style).events
    for event, following in zip_longest(events, events[1:]):
        if following is None or event.end + TWO_FRAMES < following.start:
            assert event.end - event.start >= min(7000, 830, 1000 * graphemes(event) / 17 - 1)


@some.composite
def talks(draw: some.DrawFn) -> list[SpokenSegment]:
    """What one person says at an ordinary pace, 12 to 16 letters a second, with pauses of any length."""
    said, at = [], draw(some.floats(0, 5))
    for _ in range(draw(some.integers(1, 8))):
        text = draw(some.lists(some.text("abcé", min_size=1, max_size=9), min_size=1, max_size=30).map(" ".join)) + "."
        words, first = [], at
        for word in text.split():
            until = at + (len(word) + 1) * draw(some.floats(1 / 16, 1 / 12))
            words.append(Word(start=at, end=until, text=word, probability=1))
            at = until + draw(some.sampled_from([0, 0, 0, 0, 0.3, 1.6, 4]))
        said.append(SpokenSegment(start=first, end=words[-1].end, text=text, words=tuple(words)))
        at += draw(some.floats(0, 3))
    return said


@given(talks())
def test_ordinary_speech_can_be_read(said: list[SpokenSegment]) -> None:
    voices = sorted(word.start for segment in said for word in segment.words)
    for event in make_subtitles(said, [], LIMITS, SETTINGS).events:
        seconds = (event.end - event.start) / 1000
        assert seconds >= 0.83
        assert graphemes(event) / seconds <= 20
        assert min(abs(event.start / 1000 - voice) for voice in voices) <= 0.201


@given(talks())
def test_no_cue_holds_a_long_pause(said: list[SpokenSegment]) -> None:
    words = sorted((word.start, word.end) for segment in said for word in segment.words)
    events = make_subtitles(said, [], LIMITS, SETTINGS).events
    for (_, end), (start, _) in pairwise(words):
        if start - end > 1.51:
            assert not any(event.start / 1000 < end - 0.3 and event.end / 1000 > start + 0.01 for event in events)


def graphemes(event: pysubs2.SSAEvent) -> int:
    return length_of(event.text.replace("\\N", " "))


@given(some.lists(segments(), max_size=12), some.lists(music(), max_size=4), STYLES)
def test_no_letter_is_lost(said: list[SpokenSegment], heard: list[MusicSpan], style: SubtitleSettings) -> None:
    plain = [_without_label_words(segment) for segment in said]
    assert sorted(shown_letters(plain, heard, style)) == sorted(said_letters(plain))


@given(some.lists(segments(), max_size=12), some.lists(music(), max_size=4), STYLES)
def test_what_is_said_one_after_the_other_is_shown_so(
    said: list[SpokenSegment], heard: list[MusicSpan], style: SubtitleSettings
) -> None:
    plain = [_at(_without_label_words(segment), 50 * index) for index, segment in enumerate(said)]
    assert shown_letters(plain, heard, style) == said_letters(plain)


def _at(segment: SpokenSegment, start: float) -> SpokenSegment:
    return segment.model_copy(update={"start": start, "end": start + (segment.end - segment.start), "words": ()})


def shown_letters(said: list[SpokenSegment], heard: list[MusicSpan], style: SubtitleSettings) -> str:
    events = make_subtitles(said, heard, LIMITS, style).events
    text = "".join(event.text for event in events if event.text != "♪ music ♪").replace("\\N", "")
    return re.sub(r"(Speaker [12]|A person with a ver): |[♪\s-]", "", text)


def said_letters(said: list[SpokenSegment]) -> str:
    return "".join("".join(tokens_of(segment.text)) for segment in sorted(said, key=lambda segment: segment.start))


def _without_label_words(segment: SpokenSegment) -> SpokenSegment:
    """The same without what the test takes off again: labels end in a colon, notes mark songs, dashes replies."""
    return segment.model_copy(update={"text": re.sub(r"[:♪-]", "", segment.text)})


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


def texts(*said: SpokenSegment, style: SubtitleSettings = SETTINGS) -> list[str]:
    return [event.text for event in make_subtitles(said, [], LIMITS, style).events]


def test_lines_are_even() -> None:
    assert wrap(("He", "left", "for", "Delhi", "on", "Monday", "with", "two", "hundred", "rupees"), 42, 2) == [
        "He left for Delhi on Monday",
        "with two hundred rupees",
    ]


def test_lengths_are_those_that_readers_see() -> None:
    assert length_of("हिन्दी") == 2
    assert length_of("👩‍👩‍👧") == 1
    assert [length_of(piece) for piece in break_long("हिन्दी" * 30, 42)] == [42, 18]


def test_speakers_have_no_label_unless_the_user_asks_for_names() -> None:
    first = spoken(0, 4, "Good evening, Inspector Sharma. The train arrives.", "SPEAKER_00")
    second = spoken(4.2, 6, "Thank you, Priya.", "Priya")
    assert texts(first, second) == ["Good evening, Inspector\\NSharma. The train arrives.", "Thank you, Priya."]
    assert texts(first, second, style=NAMED) == [
        "Speaker 1: Good evening, Inspector\\NSharma. The train arrives.",
        "Priya: Thank you, Priya.",
    ]
    assert texts(first, style=NAMED)[0].startswith("Good evening")


def test_a_short_reply_shares_a_cue_with_its_question() -> None:
    question, reply = spoken(0, 2, "Did you see him?", "SPEAKER_00"), spoken(2.3, 2.6, "Yes.", "SPEAKER_01")
    speech = spoken(4.5, 8.5, "I saw him at the old house by the river.", "SPEAKER_01")
    assert texts(question, reply, speech, style=DASHED) == [
        "-Did you see him?\\N-Yes.",
        "I saw him at the old house by the river.",
    ]
    assert texts(question, reply) == ["Did you see him?\\NYes."]
    assert texts(question, reply, style=NAMED) == ["Speaker 1: Did you see him?", "Speaker 2: Yes."]


def test_a_short_reply_between_long_lines_is_given_time_by_both() -> None:
    question = spoken(0, 4, "Was he alone when he came back to the house in the morning?", "SPEAKER_00")
    answer = spoken(4.2, 4.4, "No.", "SPEAKER_01")
    further = spoken(4.75, 9, "Then there must have been somebody else with him in the garden.", "SPEAKER_00")
    events = make_subtitles([question, answer, further], [], LIMITS, SETTINGS).events
    assert [event.end - event.start >= 830 for event in events] == [True, True, True]
    assert [event.start for event in events] == pytest.approx([0, 4200, 4750], abs=201)


def test_sentences_share_a_cue_unless_a_pause_parts_them() -> None:
    assert texts(spoken(0, 1, "Good."), spoken(1.5, 3, "Call Doctor Mehta.")) == ["Good. Call Doctor Mehta."]
    assert texts(spoken(0, 1, "Good."), spoken(2.6, 4, "Call Doctor Mehta.")) == ["Good.", "Call Doctor Mehta."]
    assert len(texts(spoken(0, 4, "Good."), spoken(4.1, 7.5, "Call Doctor Mehta."))) == 2


def test_a_pause_within_a_segment_ends_a_cue() -> None:
    words = [*spoken(0, 1, "He is").words, *spoken(6.6, 7, "gone.").words]
    segment = SpokenSegment(start=0, end=7, text="He is gone.", words=tuple(words))
    events = make_subtitles([segment], [], LIMITS, SETTINGS).events
    assert [(event.start, event.end, event.text) for event in events] == [(0, 1000, "He is"), (6600, 7430, "gone.")]


def test_a_long_segment_is_split_at_its_sentence_by_the_times_of_its_words() -> None:
    text = "Then somebody in London must have warned him. We need to find the missing letter tonight, all of us."
    events = make_subtitles([spoken(10, 20, text)], [], LIMITS, SETTINGS).events
    assert [event.text.replace("\\N", " ") for event in events] == [
        "Then somebody in London must have warned him.",
        "We need to find the missing letter tonight, all of us.",
    ]
    assert (events[0].start, events[1].start, events[1].end) == (10_000, 14_211, 20_000)


def test_a_script_without_spaces_is_cut_and_shares_its_time() -> None:
    events = make_subtitles([SpokenSegment(start=0, end=16, text="語" * 160)], [], LIMITS, SETTINGS).events
    assert [length_of(event.text.replace("\\N", "")) for event in events] == [42, 42, 42, 34]
    assert [event.start for event in events] == pytest.approx([0, 4200, 8400, 12600], abs=250)


def test_songs_are_marked_dialogue_over_music_is_not_and_long_music_has_a_cue() -> None:
    heard = (
        MusicSpan(start=0, end=40, kind="music", confidence=1),
        MusicSpan(start=40, end=50, kind="song", confidence=1),
        MusicSpan(start=60, end=70, kind="music", confidence=1),
    )
    said = [spoken(20, 22, "We talk."), spoken(42, 44, "We sing.")]
    events = make_subtitles(said, heard, LIMITS, SETTINGS).events
    assert [(event.start, event.end, event.text) for event in events] == [
        (0, 7000, "♪ music ♪"),
        (20_000, 22_000 - TWO_FRAMES, "We talk."),
        (22_000, 29_000, "♪ music ♪"),
        (42_000, 44_000, "♪ We sing. ♪"),
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
    lyrics = LyricsResult(segments=(MusicSpan(start=5, end=30, kind="music", confidence=0.9),))
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
