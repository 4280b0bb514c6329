"""Where there is music."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cp_whisperx.cli import schema_text
from cp_whisperx.contract import AsrResult, LyricsResult, SpokenSegment, Word
from cp_whisperx.ml.sound import Samples
from cp_whisperx.stage import Skip
from cp_whisperx_testing import context_for
from lyrics_detection import STAGE, LyricsSettings, Measure, confidence, measured, music_in, quiet_share, run, songs_in
from sounds import babble, job_with_sound, silence, sound_of, tones

CHORD = (220.0, 277.0, 330.0, 440.0, 880.0)
MUSIC, SPEECH = Measure(activation=4.0, quiet=0.0), Measure(activation=1.2, quiet=0.5)


def spoken(start: float, end: float, seconds_a_letter: float) -> SpokenSegment:
    """Words of ten letters, as many as fill the time at this pace."""
    length = seconds_a_letter * 10
    count = round((end - start) / length)
    words = tuple(
        Word(start=start + length * index, end=start + length * (index + 1), text="moonlights", probability=0.9)
        for index in range(count)
    )
    return SpokenSegment(start=start, end=end, text=" ".join(word.text for word in words), words=words)


def said(start: float, end: float) -> SpokenSegment:
    return spoken(start, end, 0.065)


def sung(start: float, end: float) -> SpokenSegment:
    return spoken(start, end, 0.15)


def found_in(folder: Path, *parts: Samples, heard: tuple[SpokenSegment, ...] = (), **settings: float) -> LyricsResult:
    folder, demuxed = job_with_sound(folder / "job", *parts)
    asr = AsrResult(language="en", segments=heard, model="base")
    return run(context_for(folder, LyricsSettings(**settings), (demuxed, asr)))  # type: ignore[arg-type]


def test_tones_that_sound_on_are_music_and_babble_is_not(tmp_path: Path) -> None:
    result = found_in(tmp_path, babble(8), tones(8, *CHORD), babble(8, seed=2))
    (music,) = result.segments
    assert music.start == pytest.approx(8, abs=1.1)
    assert music.end == pytest.approx(16, abs=1.1)
    assert (music.kind, music.confidence > 0.5) == ("music", True)


def test_silence_is_no_music(tmp_path: Path) -> None:
    assert found_in(tmp_path, silence(10)).segments == ()


def test_the_end_of_music_is_not_beyond_the_end_of_the_film(tmp_path: Path) -> None:
    (music,) = found_in(tmp_path, tones(6.5, *CHORD)).segments
    assert music.start == 0
    assert music.end == pytest.approx(6.5, abs=0.6)
    assert music.end <= 6.5


def test_a_song_is_marked_where_somebody_sings_and_nowhere_else(tmp_path: Path) -> None:
    heard = (said(1, 4), sung(8, 11), sung(12, 16), said(22, 29))
    result = found_in(tmp_path, babble(5), tones(16, *CHORD), babble(9), heard=heard)
    assert [(span.kind, span.start > 6) for span in result.segments] == [
        ("music", False),
        ("song", True),
        ("music", True),
    ]
    assert (result.segments[1].start, result.segments[1].end) == (8, 16)


def test_what_remains_beside_a_song_is_music_only_if_it_is_long_enough(tmp_path: Path) -> None:
    heard = (said(1, 4), sung(8, 17.3), said(20, 29))
    result = found_in(tmp_path, babble(5), tones(13, *CHORD), babble(12), heard=heard, lyric_min_duration=2)
    assert [(span.kind, span.end) for span in result.segments] == [("music", 8), ("song", 17.3)]


MUSIC_EVERYWHERE = [(0.0, 1000.0)]


@given(st.lists(st.tuples(st.floats(0, 900), st.floats(1, 20), st.floats(0.05, 0.075)), max_size=20))
def test_dialogue_under_a_score_is_no_song(lines: list[tuple[float, float, float]]) -> None:
    heard = [spoken(start, start + length, pace) for start, length, pace in sorted(lines)]
    assert songs_in(heard, MUSIC_EVERYWHERE, LyricsSettings()) == []


def test_a_cry_over_music_and_slow_words_without_music_are_no_songs() -> None:
    heard = [said(0, 30), sung(31, 33), said(34, 40), sung(41, 60)]
    assert songs_in(heard, [(0.0, 40.0)], LyricsSettings()) == []


def test_a_line_said_between_two_sung_ones_is_no_part_of_the_song() -> None:
    heard = [said(0, 30), sung(31, 39), said(39.5, 41), sung(41.5, 50)]
    assert songs_in(heard, MUSIC_EVERYWHERE, LyricsSettings()) == [(31, 39), (41.5, 50)]


def test_a_short_jingle_does_not_count_and_a_short_break_does_not_part() -> None:
    settings = LyricsSettings(lyric_min_duration=4, lyric_merge_gap=2)
    windows = [MUSIC] * 4 + [SPEECH] * 2 + [MUSIC] * 4 + [SPEECH] * 10 + [MUSIC] + [SPEECH] * 5
    ((start, end),) = music_in(windows, 30.0, settings)
    assert start == 0
    assert 10 <= end <= 12


def test_the_thresholds_are_the_users(tmp_path: Path) -> None:
    assert found_in(tmp_path, tones(8, *CHORD), lyric_threshold=4.99).segments == ()


def test_confidence_is_a_half_at_the_threshold_and_at_most_one() -> None:
    assert confidence([Measure(2.6, 0.0)], 2.6) == 0.5
    assert confidence([Measure(5.0, 0.0)], 2.0) == 1.0


def test_pauses_between_syllables_are_quiet() -> None:
    window = 2 * 16_000 // 256 * 256
    assert quiet_share(babble(2)[:window]) == pytest.approx(0.4, abs=0.06)
    assert quiet_share(tones(2, *CHORD)[:window]) == 0


def test_an_hour_is_measured_window_by_window() -> None:
    done: list[float] = []
    windows = list(measured(sound_of(silence(600)), done.append))
    assert len(windows) == pytest.approx(600, abs=10)
    assert done[-1] == pytest.approx(1.0, abs=0.01)


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    with pytest.raises(Skip, match="LYRIC_DETECTION_ENABLED"):
        found_in(tmp_path, silence(1), lyric_detection_enabled=False)


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
