"""demux: takes the sound out of the film, as the models want it: 16 kHz, mono, 16 bit."""

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
"""So much of its stated length the sound may lack before the film counts as cut short."""


class DemuxSettings(StageSettings):
    """Which sound is taken."""

    demux_audio_language: str = Field(
        default="",
        pattern=r"^([a-z]{3})?$",
        description="Language of the sound to take, as ISO 639-2 (hin); empty: the first sound. A film that "
        "states other languages only is refused.",
    )


def run(context: Context[DemuxSettings]) -> DemuxResult:
    """Writes audio.wav and says what the film holds."""
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
    """The first sound of the wanted language, else the first that states none.

    StageError for a film without sound or picture, and for one that has the sound in other languages only.
    """
    if not facts.of_kind("video"):
        raise StageError(f"{name!r} has no picture.", "Give it a film: sound alone cannot carry subtitles.")
    sounds = facts.of_kind("audio")
    if not sounds:
        raise StageError(
            f"The film {name!r} has no sound.", "Subtitles are made from speech: give it a film with sound."
        )
    wanted = [sound for sound in sounds if not language or sound.language == language]
    unstated = [sound for sound in sounds if sound.language in (None, "und")]
    if not wanted and not unstated:
        there = ", ".join(dict.fromkeys(str(sound.language) for sound in sounds))
        raise StageError(
            f"The film {name!r} has no sound in {language}, only in {there}.",
            f"Set DEMUX_AUDIO_LANGUAGE to one of {there}, or to nothing for the first.",
        )
    return (wanted or unstated)[0]


def _to_mono(stream: SourceStream) -> list[str]:
    """How the channels become one.

    Surround sound has the dialogue in its centre and the score around it. A little of the front keeps dialogue that is
    mixed there; ffmpeg ignores channels that the film lacks, and scales what is left.
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
        # Sound that begins after the picture, or has gaps, is filled with silence: times stay those of the film.
        *("-af", ",".join([*_to_mono(stream), "aresample=async=1:first_pts=0"])),
        *("-ac", "1", "-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le"),
        *("-f", "wav", f"file:{audio}"),
    ]
    try:
        run_child(arguments, report)
    except ChildFailed as error:
        raise failed_on(context.job.film, error) from error


def wave_seconds(audio: Path) -> float:
    """The length of a sound file in seconds, from its number of samples."""
    with wave.open(str(audio)) as sound:
        return float(sound.getnframes() / sound.getframerate())


def check_length(name: str, seconds: float, stated: float | None) -> None:
    """Raises StageError where the film holds clearly less sound than it states."""
    if seconds <= 0:
        raise StageError(f"The sound of the film {name!r} is empty.", "Give it a film with sound.")
    if stated is None:
        return
    if stated - seconds > max(_TOLERATED_SECONDS, stated * _TOLERATED_SHARE):
        raise StageError(
            f"The film {name!r} is cut short: {seconds:.0f} s of its {stated:.0f} s of sound are there.",
            "Copy it again: its copy probably stopped half-way.",
        )


STAGE: Final = Stage(name="demux", settings=DemuxSettings, result=DemuxResult, reads=(), run=run)

if __name__ == "__main__":
    main(STAGE)
