"""The audio of a film, read in pieces: two hours of it are never in memory at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from cp_whisperx.errors import StageError

SAMPLE_RATE: Final = 16_000
"""Samples per second, of all models here and of demux's output."""

Samples = NDArray[np.float32]
"""Audio samples between -1 and 1."""


@dataclass(frozen=True)
class Sound:
    """16 kHz mono audio; `pcm` may be a memory-mapped file."""

    pcm: NDArray[np.int16]

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.pcm) / SAMPLE_RATE

    def between(self, start: float, end: float) -> Samples:
        """The samples from `start` to `end` seconds, limited to the audio."""
        first, last = (max(0, round(second * SAMPLE_RATE)) for second in (start, end))
        return self.piece(first, last - first)

    def piece(self, first: int, count: int) -> Samples:
        """At most `count` samples from sample `first` on."""
        return self.pcm[first : first + count].astype(np.float32) / np.float32(32768)

    def windows(self, count: int, step: int) -> Iterator[Samples]:
        """Windows of `count` samples, each `step` samples after the previous one, up to the end of the audio.

        The last one is padded with silence.
        """
        for first in window_starts(len(self.pcm), count, step):
            yield filled_up(self.piece(first, count), count)


def open_sound(path: Path) -> Sound:
    """Opens the file from demux; raises StageError unless it is 16 kHz, mono, 16 bit."""
    way_out = "Run `cp-whisperx resume JOB`: it repeats every stage with a damaged result."
    try:
        rate, pcm = wavfile.read(path, mmap=True)
    except (OSError, ValueError) as error:
        raise StageError(f"The audio {path} cannot be read: {error}.", way_out) from error
    if rate != SAMPLE_RATE or pcm.ndim != 1 or pcm.dtype != np.int16:
        raise StageError(
            f"The audio {path} has {rate} Hz, shape {pcm.shape}, {pcm.dtype} instead of 16000 Hz, mono, 16 bit.",
            way_out,
        )
    return Sound(pcm)


def window_starts(total: int, count: int, step: int) -> range:
    """The first sample of each window of `count` samples, up to the end of `total` samples; at least one window."""
    return range(0, max(1, total - count + step), step)


def filled_up(samples: Samples, count: int) -> Samples:
    """The samples, padded with silence to `count`."""
    return np.pad(samples, (0, count - len(samples)))
