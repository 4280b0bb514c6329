"""Reads films with ffprobe, for the stages that have ffmpeg."""

import json
from pathlib import Path
from typing import Any, Final

from cp_whisperx.children import ChildFailed, run_child
from cp_whisperx.contract import Part, SourceStream
from cp_whisperx.errors import StageError

_CONTAINERS: Final = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,rm,ivf,nut,wtv"
"""The allowed container formats. Playlists and scripts (hls, dash, concat, ...) are excluded because they make ffmpeg
open other files and URLs; so are pictures, subtitles and text."""

_NOT_A_FILM: Final = "Submit a film such as .mp4, .mkv, .avi or .ts that plays on your machine."
_CUT_SHORT: Final = "Copy it again: the last copy was probably interrupted."


class FilmFacts(Part):
    """The format and the streams of a film."""

    container: str
    duration: float
    """Seconds; 0 if unknown."""
    title: str | None
    streams: tuple[SourceStream, ...]
    durations: tuple[float | None, ...]
    """Seconds of each stream; None if unknown."""

    def of_kind(self, kind: str) -> tuple[SourceStream, ...]:
        """The streams of a kind (video, audio, ...), without cover pictures."""
        return tuple(stream for stream in self.streams if stream.kind == kind and not stream.attached_picture)


def input_arguments(path: Path) -> list[str]:
    """The arguments that pass a file to ffmpeg and ffprobe safely, whatever its name and content.

    With `file:`, a name such as `concat:a|b` or `-x` is only a name. The whitelists stop a malicious file from making
    ffmpeg open other files or URLs.
    """
    return ["-protocol_whitelist", "file", "-format_whitelist", _CONTAINERS, "-i", f"file:{path}"]


def probe(path: Path, name: str) -> FilmFacts:
    """The format and the streams of the film at `path`; `name` is its name in error messages.

    Raises StageError if it is not a film or is truncated.
    """
    questions = ["-v", "error", "-print_format", "json", "-show_format", "-show_streams"]
    try:
        answer = run_child(["ffprobe", *questions, *input_arguments(path)])
    except ChildFailed as error:
        raise _unreadable(path, name, error) from error
    facts: dict[str, Any] = json.loads(answer)
    streams = facts.get("streams", [])
    return FilmFacts(
        container=facts["format"]["format_name"],
        duration=_number(facts["format"].get("duration")) or 0.0,
        title=_tag(facts["format"], "title"),
        streams=tuple(_stream(stream) for stream in streams),
        durations=tuple(_stream_seconds(stream) for stream in streams),
    )


def _unreadable(path: Path, name: str, error: ChildFailed) -> StageError:
    said = error.said.splitlines()[-1].replace(f"file:{path}: ", "") if error.said else f"status {error.status}"
    if _begins_like_mp4(path):
        return StageError(f"The film {name!r} is truncated or damaged ({said}).", _CUT_SHORT)
    return StageError(f"{name!r} is not a readable film ({said}).", _NOT_A_FILM)


def _begins_like_mp4(path: Path) -> bool:
    with path.open("rb") as film:
        return film.read(8)[4:] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


def failed_on(name: str, error: ChildFailed) -> StageError:
    """The error for a film on which ffmpeg failed although ffprobe could read it."""
    if "No space left on device" in error.said:
        return StageError("The disk is full.", "Free disk space for finished films, then resume.")
    said = error.said.splitlines()[-1] if error.said else f"status {error.status}"
    return StageError(f"ffmpeg failed on the film {name!r}: {said}.", _CUT_SHORT)


def seconds_in(progress_line: str) -> float | None:
    """The position in the film in a line of ffmpeg's `-progress`; None for other lines."""
    key, _, value = progress_line.strip().partition("=")
    microseconds = _number(value) if key == "out_time_us" else None
    return max(0.0, microseconds / 1e6) if microseconds is not None else None


def _stream(stream: dict[str, Any]) -> SourceStream:
    return SourceStream(
        index=stream["index"],
        kind=stream.get("codec_type", "data"),
        codec=stream.get("codec_name", "unknown"),
        language=_tag(stream, "language"),
        title=_tag(stream, "title"),
        channels=stream.get("channels"),
        sample_rate=int(stream["sample_rate"]) if stream.get("sample_rate") else None,
        width=stream.get("width"),
        height=stream.get("height"),
        attached_picture=bool(stream.get("disposition", {}).get("attached_pic")),
    )


def _stream_seconds(stream: dict[str, Any]) -> float | None:
    stated = _number(stream.get("duration"))
    if stated is not None:
        return stated
    clock = (_tag(stream, "duration") or "").split(":")
    parts = [_number(part) for part in clock]
    if len(parts) != len(("hours", "minutes", "seconds")) or None in parts:
        return None
    hours, minutes, seconds = (part or 0.0 for part in parts)
    return hours * 3600 + minutes * 60 + seconds


def _tag(holder: dict[str, Any], name: str) -> str | None:
    tags = {key.lower(): value for key, value in holder.get("tags", {}).items()}
    value = tags.get(name)
    return str(value) if value else None


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None
