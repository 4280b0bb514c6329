"""demux: extracts the audio of the film in the format of the models: 16 kHz, mono, 16 bit."""

import wave
from pathlib import Path
from typing import Final

from pydantic import Field

from cp_whisperx.children import ChildFailed, run_child
from cp_whisperx.cli import main
from cp_whisperx.contract import DemuxResult, SourceStream
from cp_whisperx.film import FilmFacts, failed_on, input_arguments, probe, seconds_in
from cp_whisperx.jobs import check_film
from cp_whisperx.stage import Context, Stage, StageError, StageSettings

SAMPLE_RATE: Final = 16_000
_STEREO: Final = 2
_TOLERATED_SECONDS: Final = 2.0
_TOLERATED_SHARE: Final = 0.02
"""The share of its stated length that the audio may lack before the film counts as truncated."""


class DemuxSettings(StageSettings):
    """Which audio track is used."""

    demux_audio_language: str = Field(
        default="",
        pattern=r"^([a-z]{3})?$",
        description="Language of the audio track to use, as ISO 639-2 (hin); empty: the first track. A film whose "
        "tracks are all in other languages is refused.",
    )


def run(context: Context[DemuxSettings]) -> DemuxResult:
    """Writes audio.wav and describes the film's streams."""
    check_film(context.job, context.film)
    name = context.job.film
    facts = probe(context.film, name)
    stream = choose_sound(facts, name, context.settings.demux_audio_language)
    audio = context.output / "audio.wav"
    _extract(context, facts, stream, audio)
    duration = wave_seconds(audio)
    check_length(name, duration, facts.durations[facts.streams.index(stream)])
    return DemuxResult(
        audio="demux/audio.wav",
        sample_rate=SAMPLE_RATE,
        channels=1,
        codec="pcm_s16le",
        duration=duration,
        size=audio.stat().st_size,
        container=facts.container,
        film_duration=facts.duration,
        audio_stream=stream.index,
        streams=facts.streams,
    )


def choose_sound(facts: FilmFacts, name: str, language: str) -> SourceStream:
    """The first audio track in `language`, else the first one without a stated language.

    Raises StageError for a film without audio or video, and for one with audio in other languages only.
    """
    if not facts.of_kind("video"):
        raise StageError(f"{name!r} has no video.", "Submit a film: audio alone cannot carry subtitles.")
    sounds = facts.of_kind("audio")
    if not sounds:
        raise StageError(
            f"The film {name!r} has no audio.", "Subtitles are made from speech: submit a film with audio."
        )
    wanted = [sound for sound in sounds if not language or sound.language == language]
    unstated = [sound for sound in sounds if sound.language in (None, "und")]
    if not wanted and not unstated:
        there = ", ".join(dict.fromkeys(str(sound.language) for sound in sounds))
        raise StageError(
            f"The film {name!r} has no audio in {language}, only in {there}.",
            f"Set DEMUX_AUDIO_LANGUAGE to one of {there}, or leave it empty for the first track.",
        )
    return (wanted or unstated)[0]


def _to_mono(stream: SourceStream) -> list[str]:
    """The filter that mixes the channels down to mono.

    Surround sound has the dialogue in the centre and the score around it. A little of the front channels keeps dialogue
    that is mixed there; ffmpeg ignores missing channels and scales the others.
    """
    return ["pan=mono|c0<FC+0.05FL+0.05FR"] if (stream.channels or 0) > _STEREO else []


def _extract(context: Context[DemuxSettings], facts: FilmFacts, stream: SourceStream, audio: Path) -> None:
    def report(line: str) -> None:
        seconds = seconds_in(line)
        if seconds is not None and facts.duration > 0:
            context.progress(seconds / facts.duration, f"{seconds:.0f} of {facts.duration:.0f} s")

    arguments = [
        *("ffmpeg", "-nostdin", "-v", "error", "-progress", "pipe:1", "-nostats"),
        *input_arguments(context.film),
        *("-map", f"0:{stream.index}", "-map_metadata", "-1", "-fflags", "+bitexact"),
        # Fills a late start or gaps of the audio with silence, so that times match the film.
        *("-af", ",".join([*_to_mono(stream), "aresample=async=1:first_pts=0"])),
        *("-ac", "1", "-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le"),
        *("-f", "wav", f"file:{audio}"),
    ]
    try:
        run_child(arguments, report)
    except ChildFailed as error:
        raise failed_on(context.job.film, error) from error


def wave_seconds(audio: Path) -> float:
    """The length of an audio file in seconds, from its number of samples."""
    with wave.open(str(audio)) as sound:
        return float(sound.getnframes() / sound.getframerate())


def check_length(name: str, seconds: float, stated: float | None) -> None:
    """Raises StageError if the film has clearly less audio than it states."""
    if seconds <= 0:
        raise StageError(f"The audio of the film {name!r} is empty.", "Submit a film with audio.")
    if stated is None:
        return
    if stated - seconds > max(_TOLERATED_SECONDS, stated * _TOLERATED_SHARE):
        raise StageError(
            f"The film {name!r} is truncated: it has only {seconds:.0f} s of its {stated:.0f} s of audio.",
            "Copy it again: the last copy was probably interrupted.",
        )


STAGE: Final = Stage(name="demux", settings=DemuxSettings, result=DemuxResult, reads=(), run=run)

if __name__ == "__main__":
    main(STAGE)
