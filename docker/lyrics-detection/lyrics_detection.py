"""lyrics-detection: finds music, and songs: music with sung words.

Music holds its tones for a while and is seldom silent; speech changes pitch and pauses with every syllable. Two
measures of a window distinguish them: the continuous frequency activation (Seyerlehner, Pohle, Schedl and Widmer:
Automatic music detection in television productions, DAFx 2007), and the share of quiet frames (Saunders: Real-time
discrimination of broadcast speech/music, ICASSP 1996).

A voice over music is not yet a song: much dialogue in films has a score under it. Singers hold their vowels, so their
words last much longer than those of the rest of the film, in any language.
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
"""Samples of a spectrum, and between the starts of two."""
_WINDOW: Final = 2 * SAMPLE_RATE // _HOP * _HOP
_STEP: Final = _WINDOW // 2
"""Samples of a window, two seconds, and between the starts of two, one second."""
_NEIGHBOURS: Final = 21
"""Number of neighbouring frequencies with which each is compared."""
_PEAK: Final = 3.0
"""Decibels by which a tone must exceed its neighbours."""
_STRONGEST: Final = 5
"""Number of peaks to add up, as in the paper."""
_QUIET: Final = 4.0
"""Natural logarithms by which a quiet frame's energy is below that of the loudest frame of its window."""
_SILENT: Final = 1e-3
"""Greatest amplitude (-60 dB) of a window that counts as silence."""

_OVER_MUSIC: Final = 0.8
"""Share of a segment that must overlap with music to count as sung."""
_BREATH: Final = 4.0
"""Maximum seconds between two lines of one song."""

Numbers = NDArray[np.float32]


class LyricsSettings(StageSettings):
    """What counts as music, and as a song."""

    lyric_detection_enabled: bool = Field(default=True, description="Whether to detect music.")
    lyric_threshold: float = Field(
        default=2.6,
        ge=0.5,
        le=5,
        description="Continuous frequency activation, 0.5 to 5, above which audio is music; speech stays below 2.5.",
    )
    lyric_max_quiet: float = Field(
        default=0.3, ge=0, le=1, description="Maximum share of quiet frames in music, 0 to 1; speech has more."
    )
    lyric_min_duration: float = Field(default=3.0, ge=1, le=600, description="Minimum seconds of music.")
    lyric_merge_gap: float = Field(
        default=2.0, ge=0, le=60, description="Maximum seconds between two stretches of music to merge."
    )
    lyric_song_pace: float = Field(
        default=1.6,
        ge=1.1,
        le=5,
        description="How many times slower than the film's usual pace the words of a song are.",
    )
    lyric_song_min_duration: float = Field(default=6.0, ge=1, le=60, description="Minimum seconds of a song.")


@dataclass(frozen=True)
class Measure:
    """The measures of one window."""

    activation: float
    """The five greatest differences between neighbouring frequencies, added up: 0 to 5."""
    quiet: float
    """Share of quiet frames, 0 to 1."""


def run(context: Context[LyricsSettings]) -> LyricsResult:
    """Measures the audio window by window and keeps the music."""
    settings = context.settings
    if not settings.lyric_detection_enabled:
        raise Skip("LYRIC_DETECTION_ENABLED is off.")
    sound = open_sound(context.path(context.read(DemuxResult).audio))
    measures = list(measured(sound, lambda done: context.progress(done, "listening for music")))
    music = music_in(measures, sound.duration, settings)
    heard = context.read_if_done(AsrResult)
    songs = songs_in(heard.segments if heard else (), music, settings)
    rest = at_least(without(music, songs), settings.lyric_min_duration)
    spans = sorted([(span, "music") for span in rest] + [(span, "song") for span in songs])
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
    """The measures of one window; silence counts as entirely quiet."""
    if float(np.abs(window).max(initial=0.0)) < _SILENT:
        return Measure(activation=0.0, quiet=1.0)
    return Measure(activation=activation(window, spectrum), quiet=quiet_share(window))


def activation(window: Samples, spectrum: ShortTimeFFT) -> float:
    """Continuous frequency activation: how sharply sustained frequencies differ from their neighbours."""
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
    """The stretches of music: merged windows that are long enough."""
    found = [
        (index * _STEP / SAMPLE_RATE, min(duration, (index * _STEP + _WINDOW) / SAMPLE_RATE))
        for index, window in enumerate(measures)
        if window.activation >= settings.lyric_threshold and window.quiet <= settings.lyric_max_quiet
    ]
    return at_least(joined(found, settings.lyric_merge_gap), settings.lyric_min_duration)


def songs_in(segments: Sequence[SpokenSegment], music: Sequence[Interval], settings: LyricsSettings) -> list[Interval]:
    """Where somebody sings: consecutive segments with long words over music."""
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
    """Seconds per letter, without the pauses between words; the segment must have letters."""
    return sum(word.end - word.start for word in segment.words) / letters(segment)


def usual_pace(segments: Iterable[SpokenSegment]) -> float:
    """The median of the seconds per letter over all letters of the film; 0 if it has no words."""
    paces = sorted((pace(segment), letters(segment)) for segment in segments if letters(segment))
    total = np.cumsum([count for _, count in paces])
    return paces[int(np.searchsorted(total, total[-1] / 2))][0] if paces else 0.0


def _between(measures: Sequence[Measure], start: float, end: float) -> Iterable[Measure]:
    seconds = _STEP / SAMPLE_RATE
    return (window for index, window in enumerate(measures) if start <= index * seconds < end)


def confidence(windows: Iterable[Measure], threshold: float) -> float:
    """The confidence that it is music, 0 to 1: 0.5 for a mean activation at the threshold, 1 at twice that."""
    mean = float(np.mean([window.activation for window in windows]))
    return round(min(1.0, mean / (2 * threshold)), 3)


STAGE: Final = Stage(
    name="lyrics-detection",
    settings=LyricsSettings,
    result=LyricsResult,
    reads=(DemuxResult, AsrResult),
    run=run,
    never_on_gpu="it analyses the audio with numpy, without a model",
)

if __name__ == "__main__":
    main(STAGE)
