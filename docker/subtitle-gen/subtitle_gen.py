"""subtitle-gen: writes the subtitles."""

from collections.abc import Sequence
from typing import Final, Literal

import pysubs2
from langcodes import Language
from pydantic import Field

from cp_whisperx.cli import main
from cp_whisperx.contract import (
    AsrResult,
    DiarizationResult,
    LyricsResult,
    MusicSpan,
    PostNerResult,
    SpeakerSpan,
    SpokenSegment,
    SubtitleResult,
    TranslationResult,
)
from cp_whisperx.stage import Context, Stage, StageError, StageSettings
from cues import NOTE, Limits, cues_of, music_cues, timed, with_replies


class SubtitleSettings(StageSettings):
    """How the subtitles look."""

    subtitle_max_line_length: int = Field(
        default=42, ge=24, le=80, description="Maximum characters (graphemes) in a line."
    )
    subtitle_max_lines: int = Field(default=2, ge=1, le=3, description="Maximum lines in a cue.")
    subtitle_max_duration: float = Field(default=7.0, ge=2, le=15, description="Maximum seconds a cue is shown.")
    subtitle_min_duration: float = Field(
        default=0.83, ge=0.2, le=2, description="Minimum seconds a cue is shown, unless the next one follows sooner."
    )
    subtitle_max_pause: float = Field(
        default=1.5, ge=0.2, le=5, description="Seconds of silence after which a new cue begins."
    )
    subtitle_reading_speed: float = Field(
        default=17,
        ge=8,
        le=40,
        description="Preferred reading speed in characters per second; up to 20/17 of it where the speech is fast.",
    )
    subtitle_speakers: Literal["none", "dash", "name"] = Field(
        default="none",
        description="How speakers are marked. none: not at all; dash: a dash before each line of a cue with two "
        "speakers; name: each cue begins with its speaker, from DIARIZATION_SPEAKER_NAMES or numbered.",
    )
    subtitle_music_min_duration: float = Field(
        default=15.0, ge=1, le=600, description="Minimum seconds of music without words that get their own cue."
    )
    subtitle_music_label: str = Field(
        default="music", pattern=r"^[^\r\n\\]{1,16}$", description="The text of a music cue, between two notes."
    )


def run(context: Context[SubtitleSettings]) -> SubtitleResult:
    """Writes film.srt.

    The text is the corrected one if names were corrected, else the translation, else the transcript.
    """
    settings = context.settings
    limits = Limits(
        width=settings.subtitle_max_line_length,
        lines=settings.subtitle_max_lines,
        longest=settings.subtitle_max_duration,
        shortest=settings.subtitle_min_duration,
        pause=settings.subtitle_max_pause,
        speed=settings.subtitle_reading_speed,
    )
    language, segments = choose_text(
        context.read(AsrResult), context.read_if_done(TranslationResult), context.read_if_done(PostNerResult)
    )
    diarization = context.read_if_done(DiarizationResult)
    lyrics = context.read_if_done(LyricsResult)
    named = with_speakers(segments, diarization.segments if diarization else ())
    subtitles = make_subtitles(named, lyrics.segments if lyrics else (), limits, settings)
    if not subtitles.events:
        raise StageError(
            f"No speech and no music was found in {context.job.film!r}: there is nothing to subtitle.",
            "Listen to its audio; if it has several tracks, choose one with DEMUX_AUDIO_LANGUAGE.",
        )
    # Keeps text in braces: it is not a formatting tag.
    subtitles.save(str(context.output / "film.srt"), format_="srt", keep_ssa_tags=True)
    return SubtitleResult(
        subtitles="subtitle-gen/film.srt",
        cues=len(subtitles.events),
        language=Language.get(language).to_alpha3(),
        speakers=len({segment.speaker for segment in named if segment.speaker}),
    )


def choose_text(
    heard: AsrResult, translation: TranslationResult | None, corrected: PostNerResult | None
) -> tuple[str, Sequence[SpokenSegment]]:
    """The language and the segments to show. A corrected transcript does not replace its translation."""
    if translation is None:
        return heard.language, corrected.segments if corrected else heard.segments
    if corrected and corrected.source == TranslationResult.stage:
        return translation.target_language, corrected.segments
    return translation.target_language, translation.segments


def with_speakers(segments: Sequence[SpokenSegment], turns: Sequence[SpeakerSpan]) -> list[SpokenSegment]:
    """The segments, each with a speaker: its own, else the one who speaks longest during it."""
    return [
        segment if segment.speaker else segment.model_copy(update={"speaker": _main_speaker(segment, turns)})
        for segment in segments
    ]


def _main_speaker(segment: SpokenSegment, turns: Sequence[SpeakerSpan]) -> str | None:
    seconds: dict[str, float] = {}
    for turn in turns:
        shared = min(segment.end, turn.end) - max(segment.start, turn.start)
        if shared > 0:
            seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + shared
    return max(seconds, key=lambda speaker: seconds[speaker]) if seconds else None


def make_subtitles(
    segments: Sequence[SpokenSegment], music: Sequence[MusicSpan], limits: Limits, settings: SubtitleSettings
) -> pysubs2.SSAFile:
    """The subtitles: the words, and the music between them."""
    songs = [span for span in music if span.kind == "song"]
    cues = cues_of(segments, songs, limits, named=settings.subtitle_speakers == "name")
    texts = list(with_replies(cues, limits, "-" if settings.subtitle_speakers == "dash" else ""))
    passages = music_cues(music, cues, settings.subtitle_music_min_duration, limits.longest)
    label = f"{NOTE} {settings.subtitle_music_label} {NOTE}"
    texts += [(start, end, label) for start, end in passages]
    subtitles = pysubs2.SSAFile()
    for cue in timed(texts, limits):
        subtitles.append(pysubs2.SSAEvent(start=cue.start, end=cue.end, text=cue.text.replace("\n", "\\N")))
    return subtitles


STAGE: Final = Stage(
    name="subtitle-gen",
    settings=SubtitleSettings,
    result=SubtitleResult,
    reads=(AsrResult, TranslationResult, PostNerResult, DiarizationResult, LyricsResult),
    run=run,
)

if __name__ == "__main__":
    main(STAGE)
