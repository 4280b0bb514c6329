"""The files that stages exchange: one typed, versioned model for every JSON file of a job.

All times are seconds from the start of the film. All paths are relative to the job folder and use `/`.
A result has no timestamp and no random value, so that the same work gives the same bytes: the next stage's key is a
hash of them.
"""

from datetime import datetime
from typing import ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

SCHEMA_VERSION: Final = 2
"""The version of all files written. Raise it for a change that older programs cannot read.

Version 2 added the device and the warnings of a stage's record. Files of version 1 are still read.
"""


class Part(BaseModel):
    """A value inside a contract file: immutable and without undeclared fields."""

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
    """The identity of a film: the hash of its content, with size and modification time as a quick check."""

    size: PositiveInt
    """Bytes."""
    modified_ns: int
    """Modification time in nanoseconds since the epoch."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Job(Document):
    """job.json: the request. Never changes after the submit."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    created: datetime
    film: str
    """Path of the film in the folder of incoming films."""
    identity: FilmIdentity
    title: str | None = None
    """Title for the look-up and for the metadata of the finished film. Default: from the file name."""
    year: int | None = Field(default=None, ge=1870, le=2200)


StageStatus = Literal["pending", "running", "done", "skipped", "failed"]


class OutputFile(Part):
    """A file that a stage wrote."""

    path: str
    size: NonNegativeInt
    sha256: str


class StageRecord(Part):
    """The state of one stage of one job."""

    status: StageStatus = "pending"
    started: datetime | None = None
    finished: datetime | None = None
    seconds: NonNegativeFloat | None = None
    attempts: NonNegativeInt = 0
    """Attempts since the last submit or resume; an attempt is counted before the work begins."""
    key: str | None = None
    """Hash of the inputs, settings and image of the result in the stage's folder."""
    image: str | None = None
    inputs: dict[str, str] = Field(default_factory=dict)
    """Hash of each earlier stage's result, or `skipped`, by the name of the stage."""
    outputs: tuple[OutputFile, ...] = ()
    reason: str | None = None
    """Why the stage was skipped or failed, or why its last attempt ended early."""
    way_out: str | None = None
    """How the user can fix it."""
    progress: float | None = Field(default=None, ge=0, le=1)
    note: str | None = None
    device: str | None = None
    """The device of its models, such as `cuda:0 (NVIDIA L4)` or `cpu`; None for a stage without models."""
    warnings: tuple[str, ...] = ()
    """What differed from the request although the work continued, such as a smaller model: one sentence each."""


class Manifest(Document):
    """manifest.json: the progress of the job. Changes only under the job's lock."""

    stages: dict[str, StageRecord] = Field(default_factory=dict)


# --- the results -----------------------------------------------------------------------------------------------------


class StageResult(Document):
    """result.json in the folder of the stage that `stage` names."""

    stage: ClassVar[str]


class SourceStream(Part):
    """One stream of the incoming film."""

    index: NonNegativeInt
    kind: str
    """The type in ffmpeg: video, audio, subtitle, attachment or data."""
    codec: str
    language: str | None = None
    title: str | None = None
    channels: int | None = None
    sample_rate: int | None = None
    width: int | None = None
    height: int | None = None
    attached_picture: bool = False
    """A cover picture, which containers store as a video stream."""


class DemuxResult(StageResult):
    """The audio of the film: 16 kHz, mono, signed 16 bit."""

    stage: ClassVar[str] = "demux"

    audio: str
    sample_rate: PositiveInt
    channels: PositiveInt
    codec: str
    duration: NonNegativeFloat
    """Seconds of audio, from the number of samples."""
    size: NonNegativeInt
    """Bytes of the audio file."""
    container: str
    """ffmpeg's name of the film's format."""
    film_duration: NonNegativeFloat
    audio_stream: NonNegativeInt
    """Index of the chosen audio stream in the film."""
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
    """The film's entry in The Movie Database."""

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
    """Names to expect in the film's dialogue."""

    stage: ClassVar[str] = "pre-ner"

    entities: dict[str, tuple[str, ...]]
    """Names by type: PERSON, ORG, GPE, LOC, FAC."""
    counts: dict[str, NonNegativeInt]
    prompt: str
    """The names as hotwords for speech recognition."""


class SileroVadResult(StageResult):
    """Where there is speech."""

    stage: ClassVar[str] = "silero-vad"

    segments: tuple[Span, ...]
    speech_seconds: NonNegativeFloat


class ScoredSpan(Span):
    """A stretch of the film with the model's confidence, 0 to 1."""

    confidence: float = Field(ge=0, le=1)


class PyannoteVadResult(StageResult):
    """Where there is speech, refined."""

    stage: ClassVar[str] = "pyannote-vad"

    segments: tuple[ScoredSpan, ...]
    speaker_changes: tuple[NonNegativeFloat, ...]
    source: Literal["pyannote", "silero"]
    """The model that found the segments."""
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
    """Times of the words; empty if the text has none, such as a translation."""


class AsrResult(StageResult):
    """What was said."""

    stage: ClassVar[str] = "asr"

    language: str
    """ISO 639-1 code of the language of `segments`."""
    segments: tuple[SpokenSegment, ...]
    model: str
    """The name of a packaged model, or `repository@commit` of a model from the hub."""


class TranslatedSegment(SpokenSegment):
    """A translated stretch of speech."""

    original: str


class TranslationResult(StageResult):
    """What was said, translated into the language of the audience."""

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
    """A misrecognised name and its correction."""

    start: NonNegativeFloat
    original: str
    corrected: str
    score: float = Field(ge=0, le=100)


class PostNerResult(StageResult):
    """The text with corrected names."""

    stage: ClassVar[str] = "post-ner"

    source: Literal["asr", "second-pass-translation"]
    """The stage that the text is from: the translation if there is one."""
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
    """ISO 639-2 code of the text, as containers use it, such as eng."""
    speakers: NonNegativeInt


class MuxedStream(Part):
    """One stream that is in the finished film, or was left out."""

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
