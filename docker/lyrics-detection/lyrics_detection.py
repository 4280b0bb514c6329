"""lyrics-detection: finds music, and songs: music over which words are drawn out.

Music holds its tones for a while and seldom falls silent; speech glides and pauses with every syllable. Two measures of
a window tell them apart: the continuous frequency activation (Seyerlehner, Pohle, Schedl and Widmer: Automatic music
detection in television productions, DAFx 2007), and the share of quiet frames (Saunders: Real-time discrimination of
broadcast speech/music, ICASSP 1996).

A voice over music is no song yet: most dialogue of a film has a score under it. Singers hold their vowels: their
words last much longer than those of the rest of the film, whatever its language.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import uniform_filter1d
from scipy.signal import ShortTimeFFT

from cp_whisperx.cli import main
from cp_whisperx.contract import AsrResult, DemuxResult, LyricsResult, MusicSpan, SpokenSegment
from cp_whisperx.ml.intervals import Interval, at_least, covered, joined, without
from cp_whisperx.ml.sound import SAMPLE_RATE, Samples, Sound, open_sound
from cp_whisperx.stage import Context, Skip, Stage, StageSettings

_FRAME: Final = 1024
_HOP: Final = 256
"""Samples of a spectrum, and from one to the next."""
_WINDOW: Final = 2 * SAMPLE_RATE // _HOP * _HOP
_STEP: Final = _WINDOW // 2
"""Samples of a window, and from one to the next: two seconds and one."""
_NEIGHBOURS: Final = 21
"""Frequencies with which the strength of each is compared."""
_PEAK: Final = 3.0
"""Decibels by which a tone must stand out of its neighbours."""
_STRONGEST: Final = 5
"""The paper's number of peaks that are added up."""
_QUIET: Final = 4.0
"""Natural logarithms by which a quiet frame's energy is below that of the loudest frame of its window."""
_SILENT: Final = 1e-3
"""Greatest amplitude (-60 dB) of a window that counts as silence."""

_OVER_MUSIC: Final = 0.8
"""Share of a stretch of words that lies over music where it is sung."""
_BREATH: Final = 4.0
"""Seconds between two lines of one song."""

Numbers = NDArray[np.float32]


class LyricsSettings(StageSettings):
    """What counts as music, and as a song."""

    lyric_detection_enabled: bool = Field(default=True, description="Whether music is looked for.")
    lyric_threshold: float = Field(
        default=2.6,
        ge=0.5,
        le=5,
        description="Continuous frequency activation, 0.5 to 5, from which sound is music; speech stays below 2.5.",
    )
    lyric_max_quiet: float = Field(
        default=0.3, ge=0, le=1, description="Share of quiet frames, 0 to 1, that music may have; speech has more."
    )
    lyric_min_duration: float = Field(default=3.0, ge=1, le=600, description="Seconds that music must last to count.")
    lyric_merge_gap: float = Field(
        default=2.0, ge=0, le=60, description="Seconds between two stretches of music that are made one."
    )
    lyric_song_pace: float = Field(
        default=1.6, ge=1.1, le=5, description="How many times as long as the film's usual words those of a song last."
    )
    lyric_song_min_duration: float = Field(
        default=6.0, ge=1, le=60, description="Seconds that somebody must sing to count."
    )


@dataclass(frozen=True)
class Measure:
    """What is measured of a window."""

    activation: float
    """The five greatest differences between neighbouring frequencies, added up: 0 to 5."""
    quiet: float
    """Share of quiet frames, 0 to 1."""


def run(context: Context[LyricsSettings]) -> LyricsResult:
    """Measures the sound window by window and keeps what is like music."""
    settings = context.settings
    if not settings.lyric_detection_enabled:
        raise Skip("LYRIC_DETECTION_ENABLED is off.")
    sound = open_sound(context.path(context.read(DemuxResult).audio))
    measures = list(measured(sound, lambda done: context.progress(done, "listening for music")))
    music = music_in(measures, sound.duration, settings)
    heard = context.read_if_done(AsrResult)
    songs = songs_in(heard.segments if heard else (), music, settings)
    spans = sorted([(span, "music") for span in without(music, songs)] + [(span, "song") for span in songs])
    return LyricsResult(
        segments=tuple(
            MusicSpan(
                start=round(start, 3),
                end=round(end, 3),
                kind=kind,
                confidence=confidence(_between(measures, start, end), settings.lyric_threshold),
            )
            for (start, end), kind in spans
        )
    )


def measured(sound: Sound, progress: Callable[[float], None]) -> Iterator[Measure]:
    """The measures of each window of two seconds, one for each second."""
    spectrum = ShortTimeFFT(np.hanning(_FRAME), hop=_HOP, fs=SAMPLE_RATE, scale_to=None)
    total = max(1, -(-len(sound.pcm) // _STEP))
    for index, window in enumerate(sound.windows(_WINDOW, _STEP)):
        yield measure(window, spectrum)
        progress(min(1.0, (index + 1) / total))


def measure(window: Samples, spectrum: ShortTimeFFT) -> Measure:
    """The measures of one window; silence is as quiet as can be."""
    if float(np.abs(window).max(initial=0.0)) < _SILENT:
        return Measure(activation=0.0, quiet=1.0)
    return Measure(activation=activation(window, spectrum), quiet=quiet_share(window))


def activation(window: Samples, spectrum: ShortTimeFFT) -> float:
    """Continuous frequency activation: how sharply frequencies that sound on differ from their neighbours."""
    frames = np.abs(spectrum.stft(window, p0=0, p1=len(window) // _HOP)).T
    level = 20 * np.log10(frames + 1e-4)
    stands_out = level - uniform_filter1d(level, _NEIGHBOURS, axis=1, mode="nearest") > _PEAK
    lasting = stands_out.mean(axis=0)
    return float(np.sort(np.abs(np.diff(lasting)))[-_STRONGEST:].sum())


def quiet_share(window: Samples) -> float:
    """The share of frames that are much quieter than the loudest one."""
    energy = np.log(np.square(window.reshape(-1, _HOP)).sum(axis=1) + 1e-8)
    return float((energy < energy.max() - _QUIET).mean())


def music_in(measures: Sequence[Measure], duration: float, settings: LyricsSettings) -> list[Interval]:
    """The stretches of music: windows that are like it, made one where they meet, long enough to count."""
    found = [
        (index * _STEP / SAMPLE_RATE, min(duration, (index * _STEP + _WINDOW) / SAMPLE_RATE))
        for index, window in enumerate(measures)
        if window.activation >= settings.lyric_threshold and window.quiet <= settings.lyric_max_quiet
    ]
    return at_least(joined(found, settings.lyric_merge_gap), settings.lyric_min_duration)


def songs_in(segments: Sequence[SpokenSegment], music: Sequence[Interval], settings: LyricsSettings) -> list[Interval]:
    """Where somebody sings: drawn out words over music, line after line, with nothing said between them."""
    slow = usual_pace(segments) * settings.lyric_song_pace

    def is_sung(segment: SpokenSegment) -> bool:
        return pace(segment) >= slow and covered((segment.start, segment.end), music) >= _OVER_MUSIC

    lines = [
        joined(((segment.start, segment.end) for segment in run_of_lines), _BREATH)
        for sung, run_of_lines in groupby((segment for segment in segments if letters(segment)), key=is_sung)
        if sung
    ]
    return at_least((song for run_of_lines in lines for song in run_of_lines), settings.lyric_song_min_duration)


def letters(segment: SpokenSegment) -> int:
    """How many letters its words have."""
    return sum(len(word.text) for word in segment.words)


def pace(segment: SpokenSegment) -> float:
    """Seconds a letter, pauses between words left out; the segment has letters."""
    return sum(word.end - word.start for word in segment.words) / letters(segment)


def usual_pace(segments: Iterable[SpokenSegment]) -> float:
    """Seconds a letter in the middle of all letters of the film; 0 where nobody says a word."""
    paces = sorted((pace(segment), letters(segment)) for segment in segments if letters(segment))
    total = np.cumsum([count for _, count in paces])
    return paces[int(np.searchsorted(total, total[-1] / 2))][0] if paces else 0.0


def _between(measures: Sequence[Measure], start: float, end: float) -> Iterable[Measure]:
    seconds = _STEP / SAMPLE_RATE
    return (window for index, window in enumerate(measures) if start <= index * seconds < end)


def confidence(windows: Iterable[Measure], threshold: float) -> float:
    """How sure it is music, 0 to 1: 0.5 where the mean activation is at the threshold, 1 at twice that."""
    mean = float(np.mean([window.activation for window in windows]))
    return round(min(1.0, mean / (2 * threshold)), 3)


STAGE: Final = Stage(
    name="lyrics-detection",
    settings=LyricsSettings,
    result=LyricsResult,
    reads=(DemuxResult, AsrResult),
    run=run,
    never_on_gpu="it measures the sound with numpy, without a model",
)

if __name__ == "__main__":
    main(STAGE)
