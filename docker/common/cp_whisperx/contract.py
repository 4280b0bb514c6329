"""What stages hand to each other: one typed, versioned model for every JSON file of a job.

All times are seconds from the start of the film. All paths are relative to the job folder and use `/`.
A result holds no clock time and no random value, so that the same work gives the same bytes: the next
stage's key is made from them.
"""

from datetime import datetime
from typing import ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

SCHEMA_VERSION: Final = 2
"""The version of every file that is written; a change that old programs cannot read raises it.

2 adds the device and the warnings of a stage's record. Files of version 1 are read as well.
"""


class Part(BaseModel):
    """A value inside a contract file: immutable, and with no field that it does not declare."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Document(Part):
    """A whole contract file."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION


class Span(Part):
    """A stretch of the film."""

    start: NonNegativeFloat
    end: NonNegativeFloat

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.end < self.start:
            message = f"a span ends at {self.end} s, before its start at {self.start} s"
            raise ValueError(message)
        return self


# --- the job ---------------------------------------------------------------------------------------------------------


class FilmIdentity(Part):
    """What makes a film file the same film: its content, with size and time as a quick first look."""

    size: PositiveInt
    """Bytes."""
    modified_ns: int
    """Modification time in nanoseconds since the epoch."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Job(Document):
    """job.json: what was asked for. Never changes after the submit."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    created: datetime
    film: str
    """Path of the film below the folder of films that come in."""
    identity: FilmIdentity
    title: str | None = None
    """Title for the look-up and the tag of the finished film; None: taken from the file name."""
    year: int | None = Field(default=None, ge=1870, le=2200)


StageStatus = Literal["pending", "running", "done", "skipped", "failed"]


class OutputFile(Part):
    """A file that a stage wrote."""

    path: str
    size: NonNegativeInt
    sha256: str


class StageRecord(Part):
    """What is known of one stage of one job."""

    status: StageStatus = "pending"
    started: datetime | None = None
    finished: datetime | None = None
    seconds: NonNegativeFloat | None = None
    attempts: NonNegativeInt = 0
    """Starts since the last submit or resume; a start is counted before the work begins."""
    key: str | None = None
    """Hash of inputs, settings and image of the result that stands in the stage's folder."""
    image: str | None = None
    inputs: dict[str, str] = Field(default_factory=dict)
    """Hash of what each earlier stage wrote, or `skipped`, by the name of the stage."""
    outputs: tuple[OutputFile, ...] = ()
    reason: str | None = None
    """Why the stage was skipped or failed, or why its last try ended early."""
    way_out: str | None = None
    progress: float | None = Field(default=None, ge=0, le=1)
    note: str | None = None
    device: str | None = None
    """What its models computed on, such as `cuda:0 (NVIDIA L4)` or `cpu`; None for a stage that never uses a GPU."""
    warnings: tuple[str, ...] = ()
    """What went other than asked, though the work went on: one sentence each."""


class Manifest(Document):
    """manifest.json: how far the job has come. Changes only under the job's lock."""

    stages: dict[str, StageRecord] = Field(default_factory=dict)


# --- the results -----------------------------------------------------------------------------------------------------


class StageResult(Document):
    """result.json in the folder of the stage that `stage` names."""

    stage: ClassVar[str]


class SourceStream(Part):
    """One stream of the film as it came in."""

    index: NonNegativeInt
    kind: str
    """ffmpeg's word for it: video, audio, subtitle, attachment or data."""
    codec: str
    language: str | None = None
    title: str | None = None
    channels: int | None = None
    sample_rate: int | None = None
    width: int | None = None
    height: int | None = None
    attached_picture: bool = False
    """A cover picture that containers present as video."""


class DemuxResult(StageResult):
    """The sound of the film: 16 kHz, mono, signed 16 bit."""

    stage: ClassVar[str] = "demux"

    audio: str
    sample_rate: PositiveInt
    channels: PositiveInt
    codec: str
    duration: NonNegativeFloat
    """Seconds of sound, from the number of samples."""
    size: NonNegativeInt
    """Bytes of the audio file."""
    container: str
    """ffmpeg's name of the film's format."""
    film_duration: NonNegativeFloat
    audio_stream: NonNegativeInt
    """Index of the stream in the film that was taken."""
    streams: tuple[SourceStream, ...]


class CastMember(Part):
    """One role."""

    name: str
    character: str
    order: NonNegativeInt


class CrewMember(Part):
    """One job behind the camera."""

    name: str
    job: str


class TmdbResult(StageResult):
    """What The Movie Database knows of the film."""

    stage: ClassVar[str] = "tmdb"

    tmdb_id: PositiveInt
    title: str
    original_title: str
    release_date: str | None
    """ISO date."""
    overview: str
    tagline: str
    runtime: NonNegativeInt | None
    """Minutes."""
    genres: tuple[str, ...]
    countries: tuple[str, ...]
    languages: tuple[str, ...]
    cast: tuple[CastMember, ...]
    crew: tuple[CrewMember, ...]
    keywords: tuple[str, ...]


class PreNerResult(StageResult):
    """Names that will be heard in the film."""

    stage: ClassVar[str] = "pre-ner"

    entities: dict[str, tuple[str, ...]]
    """Names by type: PERSON, ORG, GPE, LOC, FAC."""
    counts: dict[str, NonNegativeInt]
    prompt: str
    """Names in a form that speech recognition takes as a hint."""


class SileroVadResult(StageResult):
    """Where somebody speaks."""

    stage: ClassVar[str] = "silero-vad"

    segments: tuple[Span, ...]
    speech_seconds: NonNegativeFloat


class ScoredSpan(Span):
    """A stretch of the film and how sure the model is of it, 0 to 1."""

    confidence: float = Field(ge=0, le=1)


class PyannoteVadResult(StageResult):
    """Where somebody speaks, refined."""

    stage: ClassVar[str] = "pyannote-vad"

    segments: tuple[ScoredSpan, ...]
    speaker_changes: tuple[NonNegativeFloat, ...]
    source: Literal["pyannote", "silero"]
    """Which model the segments are from."""
    speech_ratio: float = Field(ge=0, le=1)


class SpeakerSpan(Span):
    """A stretch in which one speaker speaks."""

    speaker: str


class DiarizationResult(StageResult):
    """Who speaks when."""

    stage: ClassVar[str] = "diarization"

    segments: tuple[SpeakerSpan, ...]
    speakers: tuple[str, ...]
    settings: dict[str, str | int | float | bool | None]
    """The settings it was made with."""


class Word(Span):
    """One word with its times."""

    text: str
    """With no space around it."""
    probability: float = Field(ge=0, le=1)


class SpokenSegment(Span):
    """A stretch of speech of one speaker, as text."""

    text: str
    speaker: str | None = None
    words: tuple[Word, ...] = ()
    """Times of the words; empty where the text has none of its own (a translation)."""


class AsrResult(StageResult):
    """What was said."""

    stage: ClassVar[str] = "asr"

    language: str
    """ISO 639-1 code of the language of `segments`."""
    segments: tuple[SpokenSegment, ...]
    model: str
    """The name of a packaged model, or `repository@commit` of one of the hub."""


class TranslatedSegment(SpokenSegment):
    """A stretch of speech in another language than it was spoken in."""

    original: str


class TranslationResult(StageResult):
    """What was said, in the language of the audience."""

    stage: ClassVar[str] = "second-pass-translation"

    source_language: str
    target_language: str
    method: str
    segments: tuple[TranslatedSegment, ...]


class MusicSpan(ScoredSpan):
    """Music, or a song."""

    kind: Literal["music", "song"]


class LyricsResult(StageResult):
    """Where there is music."""

    stage: ClassVar[str] = "lyrics-detection"

    segments: tuple[MusicSpan, ...]


class Correction(Part):
    """A name that was heard wrong."""

    start: NonNegativeFloat
    original: str
    corrected: str
    score: float = Field(ge=0, le=100)


class PostNerResult(StageResult):
    """The text with its names put right."""

    stage: ClassVar[str] = "post-ner"

    source: Literal["asr", "second-pass-translation"]
    """The stage whose text was corrected: the translation where there is one."""
    segments: tuple[SpokenSegment, ...]
    corrections: tuple[Correction, ...]
    entities: dict[str, tuple[str, ...]]


class SubtitleResult(StageResult):
    """The subtitles."""

    stage: ClassVar[str] = "subtitle-gen"

    subtitles: str
    """Path of the .srt file."""
    cues: NonNegativeInt
    language: str
    """ISO 639-2 code of the text, as containers of films want it: eng."""
    speakers: NonNegativeInt


class MuxedStream(Part):
    """One stream of the finished film, or one that could not go into it."""

    kind: str
    codec: str
    language: str | None = None


class MuxResult(StageResult):
    """The finished film."""

    stage: ClassVar[str] = "mux"

    film: str
    size: PositiveInt
    duration: NonNegativeFloat
    streams: tuple[MuxedStream, ...]
    left_out: tuple[MuxedStream, ...]
    """Streams of the film that an mp4 cannot hold."""
