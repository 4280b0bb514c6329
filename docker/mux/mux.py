"""mux: adds the subtitles to the film without re-encoding video and audio."""

import re
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import Field

from cp_whisperx.children import ChildFailed, run_child
from cp_whisperx.cli import main
from cp_whisperx.contract import DemuxResult, MuxedStream, MuxResult, SourceStream, SubtitleResult, TmdbResult
from cp_whisperx.film import failed_on, input_arguments, probe, seconds_in
from cp_whisperx.jobs import check_film
from cp_whisperx.stage import Context, Stage, StageError, StageSettings

_MP4_HOLDS: Final = {
    "video": frozenset({"h264", "hevc", "av1", "mpeg4", "vp9", "mpeg2video", "mpeg1video", "mjpeg"}),
    "audio": frozenset({"aac", "ac3", "eac3", "mp3", "mp2", "alac", "opus", "flac", "dts"}),
}
_TOLERATED_SECONDS: Final = 2.0
_MOST_NAME_BYTES: Final = 200
_SUBTITLE_ARGUMENTS: Final = ("-protocol_whitelist", "file", "-f", "srt", "-i")


class MuxSettings(StageSettings):
    """The subtitle track of the finished film."""

    mux_subtitle_title: str = Field(
        default="Subtitles", pattern=r"^[^\r\n]{1,60}$", description="Name of the subtitle track in players."
    )
    mux_subtitle_default: bool = Field(default=True, description="Whether players show the subtitles by default.")


def run(context: Context[MuxSettings]) -> MuxResult:
    """Writes <name of the film>.mp4 and checks its streams."""
    check_film(context.job, context.film)
    subtitles = context.read(SubtitleResult)
    source = context.read(DemuxResult)
    taken, left_out = choose_streams(source.streams, context.job.film)
    film = context.output / output_name(context.job.film)
    _write(context, subtitles, taken, film)
    streams = check_written(film, taken, source.film_duration)
    return MuxResult(
        film=f"mux/{film.name}",
        size=film.stat().st_size,
        duration=source.film_duration,
        streams=streams,
        left_out=tuple(_describe(stream) for stream in left_out),
    )


def choose_streams(streams: tuple[SourceStream, ...], name: str) -> tuple[list[SourceStream], list[SourceStream]]:
    """The streams to copy, and those that an mp4 cannot hold; raises StageError if no video or no audio is left."""
    taken = [stream for stream in streams if stream.codec in _MP4_HOLDS.get(stream.kind, ())]
    taken = [stream for stream in taken if not stream.attached_picture]
    for kind in ("video", "audio"):
        if not any(stream.kind == kind for stream in taken):
            codecs = ", ".join(stream.codec for stream in streams if stream.kind == kind) or "nothing"
            raise StageError(
                f"An mp4 cannot hold the {kind} of {name!r} ({codecs}).",
                f"Convert it to {'h264' if kind == 'video' else 'aac'} and submit it again; the .srt is ready to use.",
            )
    return taken, [stream for stream in streams if stream not in taken]


def output_name(film: str) -> str:
    """The name of the finished film: the film's name without characters that some file systems forbid."""
    stem = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]+', "_", PurePosixPath(film).stem).strip(" .")
    short = stem.encode()[:_MOST_NAME_BYTES].decode(errors="ignore").strip(" .")
    return f"{short or 'film'}.mp4"


def _write(context: Context[MuxSettings], subtitles: SubtitleResult, taken: list[SourceStream], film: Path) -> None:
    duration = context.read(DemuxResult).film_duration

    def report(line: str) -> None:
        seconds = seconds_in(line)
        if seconds is not None and duration > 0:
            context.progress(seconds / duration, f"{seconds:.0f} of {duration:.0f} s")

    settings = context.settings
    arguments = [
        *("ffmpeg", "-nostdin", "-v", "error", "-progress", "pipe:1", "-nostats"),
        *input_arguments(context.film),
        *(*_SUBTITLE_ARGUMENTS, f"file:{context.path(subtitles.subtitles)}"),
        *(part for stream in taken for part in ("-map", f"0:{stream.index}")),
        *("-map", "1:0", "-map_metadata", "0", "-map_chapters", "0"),
        *("-c", "copy", "-c:s", "mov_text", *_metadata(context, subtitles)),
        *("-disposition:s:0", "default" if settings.mux_subtitle_default else "0"),
        # Some audio formats count as experimental in mp4; the index goes to the front, so that playback starts at once.
        *("-strict", "experimental", "-movflags", "+faststart", "-f", "mp4", f"file:{film}"),
    ]
    try:
        run_child(arguments, report)
    except ChildFailed as error:
        raise failed_on(context.job.film, error) from error


def _metadata(context: Context[MuxSettings], subtitles: SubtitleResult) -> list[str]:
    looked_up = context.read_if_done(TmdbResult)
    title = (looked_up.title if looked_up else None) or context.job.title
    return [
        *(("-metadata", f"title={title}") if title else ()),
        *("-metadata:s:s:0", f"language={subtitles.language}"),
        *("-metadata:s:s:0", f"handler_name={context.settings.mux_subtitle_title}"),
    ]


def check_written(film: Path, taken: list[SourceStream], seconds: float) -> tuple[MuxedStream, ...]:
    """The streams of the finished film; raises StageError if they are not the expected ones."""
    facts = probe(film, film.name)
    written = [stream.kind for stream in facts.streams]
    wanted = [*(stream.kind for stream in taken), "subtitle"]
    if written[: len(wanted)] != wanted:
        raise StageError(
            f"The finished film {film.name!r} has the streams {', '.join(written)} and not {', '.join(wanted)}.",
            "Play the original film: it may be damaged.",
        )
    if facts.duration < seconds - _TOLERATED_SECONDS:
        raise StageError(
            f"The finished film {film.name!r} lasts {facts.duration:.0f} s and not {seconds:.0f} s.",
            "Copy the film again: it may be damaged.",
        )
    return tuple(_describe(stream) for stream in facts.streams)


def _describe(stream: SourceStream) -> MuxedStream:
    return MuxedStream(kind=stream.kind, codec=stream.codec, language=stream.language)


STAGE: Final = Stage(
    name="mux", settings=MuxSettings, result=MuxResult, reads=(DemuxResult, TmdbResult, SubtitleResult), run=run
)

if __name__ == "__main__":
    main(STAGE)
