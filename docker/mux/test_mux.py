"""mux with a real film, whose streams are looked at afterwards."""

import subprocess
from pathlib import Path

import pytest

from cp_whisperx.cli import schema_text
from cp_whisperx.contract import DemuxResult, MuxResult, SourceStream, SubtitleResult, TmdbResult
from cp_whisperx.film import probe
from cp_whisperx.stage import Context, StageError
from cp_whisperx_testing import context_for, make_job
from mux import STAGE, MuxSettings, check_written, choose_streams, output_name, run

SRT = """1
00:00:01,000 --> 00:00:02,500
Speaker 1: Good evening,
Inspector Sharma.

2
00:00:03,000 --> 00:00:04,000
♪ music ♪

"""
SUBTITLES = SubtitleResult(subtitles="subtitle-gen/film.srt", cues=2, language="eng", speakers=1)
TMDB = TmdbResult(
    tmdb_id=1,
    title="The Missing Letter",
    original_title="",
    release_date=None,
    overview="",
    tagline="",
    runtime=None,
    genres=(),
    countries=(),
    languages=(),
    cast=(),
    crew=(),
    keywords=(),
)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film with two sounds and a subtitle track of its own."""
    path = tmp_path / "The 'Letter'?.mkv"
    (tmp_path / "own.srt").write_text(SRT)
    inputs = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=12:d=6", "-f", "lavfi", "-i", "sine=440:d=6", "-i"]
    maps = ["-map", "0", "-map", "1", "-map", "1", "-map", "2", "-c:v", "mpeg4", "-c:a:0", "aac", "-c:a:1", "libvorbis"]
    subprocess.run(
        ["ffmpeg", "-v", "error", *inputs, tmp_path / "own.srt", *maps, "-metadata:s:a:0", "language=hin", path],
        check=True,
    )
    return path


def context(film: Path, tmp_path: Path, *, looked_up: bool = True) -> Context[MuxSettings]:
    job = make_job(tmp_path / "job", film=film)
    facts = probe(film, film.name)
    demuxed = DemuxResult(
        audio="demux/audio.wav",
        sample_rate=16000,
        channels=1,
        codec="pcm_s16le",
        duration=6,
        size=1,
        container=facts.container,
        film_duration=facts.duration,
        audio_stream=1,
        streams=facts.streams,
    )
    (job / "subtitle-gen").mkdir()
    (job / "subtitle-gen" / "film.srt").write_text(SRT)
    results = (demuxed, SUBTITLES, TMDB) if looked_up else (demuxed, SUBTITLES)
    return context_for(job, MuxSettings(), results, films_in=film.parent)


def test_the_finished_film_holds_picture_sound_and_subtitles(film: Path, tmp_path: Path) -> None:
    given = context(film, tmp_path)
    result: MuxResult = run(given)
    written = given.output / "The 'Letter'_.mp4"
    facts = probe(written, written.name)
    kinds = [(stream.kind, stream.codec, stream.language) for stream in facts.streams]
    assert kinds == [("video", "mpeg4", "und"), ("audio", "aac", "hin"), ("subtitle", "mov_text", "eng")]
    assert facts.title == "The Missing Letter"
    assert [stream.codec for stream in result.left_out] == ["vorbis", "ass"]
    assert result.film == "mux/The 'Letter'_.mp4"
    content = written.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "the index stands in front"


def test_the_subtitles_read_back_as_they_were(film: Path, tmp_path: Path) -> None:
    given = context(film, tmp_path, looked_up=False)
    run(given)
    written = next(given.output.glob("*.mp4"))
    command = ["ffmpeg", "-v", "error", "-i", f"file:{written}", "-map", "0:s", "-f", "srt", "-"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == SRT


def test_a_finished_film_that_lacks_a_stream_is_refused(film: Path) -> None:
    streams = list(probe(film, film.name).streams[:2])
    with pytest.raises(StageError, match="and not video, audio, subtitle"):
        check_written(film, streams, 6)


def stream(kind: str, codec: str) -> SourceStream:
    return SourceStream(index=0, kind=kind, codec=codec)


def test_a_film_that_no_mp4_can_hold_says_so() -> None:
    with pytest.raises(StageError, match=r"cannot hold the video of 'x.mkv' \(vp8\)"):
        choose_streams((stream("video", "vp8"), stream("audio", "aac")), "x.mkv")
    with pytest.raises(StageError, match=r"cannot hold the audio"):
        choose_streams((stream("video", "h264"), stream("audio", "pcm_s16le")), "x.mkv")


@pytest.mark.parametrize(
    ("film", "name"),
    [
        ("a/The Letter.mkv", "The Letter.mp4"),
        ('a "b": c?.avi', "a _b_ c_.mp4"),
        ("...mkv", "film.mp4"),
        ("ख" * 200 + ".mkv", "ख" * 66 + ".mp4"),
    ],
)
def test_the_finished_film_has_a_name_that_every_system_takes(film: str, name: str) -> None:
    assert output_name(film) == name


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
