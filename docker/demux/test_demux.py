"""demux with real films, good and bad."""

import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from cp_whisperx.cli import schema_text
from cp_whisperx.contract import DemuxResult
from cp_whisperx.film import seconds_in
from cp_whisperx.stage import StageError
from cp_whisperx_testing import context_for, make_job
from demux import STAGE, DemuxSettings, check_length, run

SECONDS = 6


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments], check=True)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of a test picture and a tone."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    picture = ("-f", "lavfi", "-i", f"testsrc2=s=160x90:r=12:d={SECONDS}")
    tone = ("-f", "lavfi", "-i", f"sine=440:d={SECONDS}")
    ffmpeg(*picture, *tone, "-c:v", "mpeg4", "-c:a", "aac", "-movflags", "+faststart", path)
    return path


def demux(film: Path, tmp_path: Path, settings: DemuxSettings | None = None) -> DemuxResult:
    job = make_job(tmp_path / "job", film=film)
    return run(context_for(job, settings or DemuxSettings(), films_in=film.parent))


def refusal(film: Path, tmp_path: Path) -> StageError:
    with pytest.raises(StageError) as caught:
        demux(film, tmp_path)
    assert caught.value.way_out.endswith(".")
    return caught.value


def test_the_sound_is_as_the_models_want_it(film: Path, tmp_path: Path) -> None:
    result = demux(film, tmp_path)
    with wave.open(str(tmp_path / "job" / "output" / "audio.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16_000, 1, 2)
    assert result.duration == pytest.approx(SECONDS, abs=0.1)
    assert [stream.kind for stream in result.streams] == ["video", "audio"]
    assert result.audio == "demux/audio.wav"


@pytest.mark.parametrize(
    "name", ["a 'b' \"c\" $(d) ü.mp4", "-y.mp4", "concat:x|y.mp4", "100%d.mp4", "línea\nnueva.mp4"]
)
def test_a_name_is_only_a_name(film: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(film, tmp_path / name)
    assert demux(tmp_path / name, tmp_path).duration > 0


def test_sound_that_begins_late_keeps_its_times(film: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mp4"
    ffmpeg("-i", film, "-itsoffset", "2", "-i", film, "-map", "0:v", "-map", "1:a", "-c", "copy", late)
    assert demux(late, tmp_path).duration == pytest.approx(SECONDS + 2, abs=0.1)


def test_the_language_of_the_sound_can_be_chosen(film: Path, tmp_path: Path) -> None:
    two = tmp_path / "two.mkv"
    languages = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=hin")
    ffmpeg("-i", film, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", *languages, two)
    assert demux(two, tmp_path / "1", DemuxSettings(demux_audio_language="hin")).audio_stream == 2
    assert demux(two, tmp_path / "2").audio_stream == 1
    with pytest.raises(StageError, match="no audio in tam, only in eng, hin"):
        demux(two, tmp_path / "3", DemuxSettings(demux_audio_language="tam"))


def test_sound_of_an_unknown_language_is_taken_where_there_is_no_other(film: Path, tmp_path: Path) -> None:
    assert demux(film, tmp_path, DemuxSettings(demux_audio_language="tam")).audio_stream == 1


CENTRE, LEFT, BACK = 300, 500, 700


@pytest.mark.parametrize(
    ("layout", "tones"),
    [
        ("5.1", (LEFT, 0, CENTRE, 0, BACK, 0)),
        ("5.1(side)", (LEFT, 0, CENTRE, 0, BACK, 0)),
        ("7.1", (LEFT, 0, CENTRE, 0, BACK, 0, BACK, 0)),
        ("3.0", (LEFT, 0, CENTRE)),
    ],
)
def test_dialogue_is_taken_from_the_centre_channel(tmp_path: Path, layout: str, tones: tuple[int, ...]) -> None:
    levels = levels_of(surround_film(tmp_path, layout, tones), tmp_path)
    assert levels[CENTRE] > 15 + levels[LEFT]
    assert levels[CENTRE] > 40 + levels[BACK]


@pytest.mark.parametrize(
    ("layout", "tones"), [("5.1", (LEFT, LEFT, 0, 0, 0, 0)), ("quad", (LEFT, LEFT, 0, 0)), ("stereo", (LEFT, LEFT))]
)
def test_dialogue_outside_the_centre_channel_is_not_lost(tmp_path: Path, layout: str, tones: tuple[int, ...]) -> None:
    assert levels_of(surround_film(tmp_path, layout, tones), tmp_path)[LEFT] > -45


def surround_film(folder: Path, layout: str, tones: tuple[int, ...]) -> Path:
    """A film with a tone of -20 dB in each channel; 0 is silence."""
    film = folder / "surround.mkv"
    channels = "|".join(f"0.14*sin(2*PI*{tone}*t)" for tone in tones)
    sound = ("-f", "lavfi", "-i", f"aevalsrc={channels}:channel_layout={layout}:duration=2:sample_rate=48000")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=12:d=2", *sound, "-c:v", "mpeg4", "-c:a", "flac", film)
    return film


def levels_of(film: Path, folder: Path) -> dict[int, float]:
    """How loud each tone is in the sound that demux takes, in decibels."""
    demux(film, folder)
    with wave.open(str(folder / "job/output/audio.wav")) as sound:
        samples = np.frombuffer(sound.readframes(16_000), np.int16) / 32_768
    strengths = np.abs(np.fft.rfft(samples)) * np.sqrt(2) / len(samples)
    return {tone: 20 * float(np.log10(strengths[tone] + 1e-9)) for tone in (CENTRE, LEFT, BACK)}


def test_a_film_without_sound_or_picture_says_so(film: Path, tmp_path: Path) -> None:
    mute, blind = tmp_path / "mute.mp4", tmp_path / "blind.m4a"
    ffmpeg("-i", film, "-an", "-c", "copy", mute)
    ffmpeg("-i", film, "-vn", "-c", "copy", blind)
    assert "has no audio" in refusal(mute, tmp_path / "1").reason
    assert "has no video" in refusal(blind, tmp_path / "2").reason


def test_text_named_like_a_film_says_so(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("This is no film.\n" * 100)
    assert "is not a readable film" in refusal(text, tmp_path).reason


@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfilm.mp4\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile film.mp4\n",
    ],
)
def test_a_list_of_other_files_is_no_film(film: Path, tmp_path: Path, script: str) -> None:
    shutil.copy(film, tmp_path / "film.mp4")
    (tmp_path / "list.mp4").write_text(script)
    assert "is not a readable film" in refusal(tmp_path / "list.mp4", tmp_path).reason


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_a_film_that_is_cut_short_says_so(film: Path, tmp_path: Path, share: float) -> None:
    content = film.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: int(len(content) * share)])
    if share == 0.9:
        assert demux(cut, tmp_path).duration > SECONDS * 0.6  # less than two seconds are missing: worth subtitling
    else:
        assert "is truncated" in refusal(cut, tmp_path).reason


@pytest.mark.parametrize(
    ("seconds", "stated", "fine"), [(100, 101, True), (1000, 1019, True), (95, 100, False), (9, None, True)]
)
def test_how_much_may_be_missing(seconds: float, stated: float | None, *, fine: bool) -> None:
    if fine:
        check_length("film", seconds, stated)
    else:
        with pytest.raises(StageError, match="truncated"):
            check_length("film", seconds, stated)


def test_a_film_that_changed_after_the_submit_says_so(film: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(film, tmp_path / "mine.mp4"))
    job = make_job(tmp_path / "job", film=mine)
    mine.write_bytes(b"another film")
    with pytest.raises(StageError, match="has changed since"):
        run(context_for(job, DemuxSettings(), films_in=tmp_path))
    mine.unlink()
    (job / "output").rmdir()
    with pytest.raises(StageError, match="cannot be read"):
        run(context_for(job, DemuxSettings(), films_in=tmp_path))


@pytest.mark.parametrize(
    ("line", "seconds"), [("out_time_us=1500000\n", 1.5), ("out_time_us=N/A\n", None), ("fps=2\n", None)]
)
def test_progress_is_read_from_ffmpeg(line: str, seconds: float | None) -> None:
    assert seconds_in(line) == seconds


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
