"""Where there is music."""

from pathlib import Path

import pytest

from cp_whisperx.cli import schema_text
from cp_whisperx.contract import LyricsResult, PyannoteVadResult, ScoredSpan
from cp_whisperx.ml.sound import Samples
from cp_whisperx.stage import Skip
from cp_whisperx_testing import context_for
from lyrics_detection import STAGE, LyricsSettings, Measure, confidence, measured, music_in, quiet_share, run
from sounds import babble, job_with_sound, silence, sound_of, tones

CHORD = (220.0, 277.0, 330.0, 440.0, 880.0)
MUSIC, SPEECH = Measure(activation=4.0, quiet=0.0), Measure(activation=1.2, quiet=0.5)


def speech(*spans: tuple[float, float]) -> PyannoteVadResult:
    return PyannoteVadResult(
        segments=tuple(ScoredSpan(start=start, end=end, confidence=0.9) for start, end in spans),
        speaker_changes=(),
        source="pyannote",
        speech_ratio=0.5,
    )


def found_in(folder: Path, *parts: Samples, voices: PyannoteVadResult | None = None, **settings: float) -> LyricsResult:
    folder, demuxed = job_with_sound(folder / "job", *parts)
    return run(context_for(folder, LyricsSettings(**settings), (demuxed, voices or speech())))  # type: ignore[arg-type]


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


def test_music_under_a_voice_is_a_song(tmp_path: Path) -> None:
    (song,) = found_in(tmp_path, tones(8, *CHORD), voices=speech((1, 6))).segments
    assert song.kind == "song"


def test_a_short_jingle_does_not_count_and_a_short_break_does_not_part() -> None:
    settings = LyricsSettings(lyric_min_duration=4, lyric_merge_gap=2)
    windows = [MUSIC] * 4 + [SPEECH] * 2 + [MUSIC] * 4 + [SPEECH] * 10 + [MUSIC] + [SPEECH] * 5
    (music,) = music_in(windows, 30.0, [], settings)
    assert music.start == 0
    assert 10 <= music.end <= 12


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
