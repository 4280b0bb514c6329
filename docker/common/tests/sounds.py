"""Sounds for tests, and jobs that begin after demux."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

from cp_whisperx.contract import DemuxResult
from cp_whisperx.ml.sound import SAMPLE_RATE, Samples, Sound
from cp_whisperx_testing import make_job

needs_models = pytest.mark.skipif(
    "MODEL_CACHE" not in os.environ, reason="needs MODEL_CACHE, the path of a model cache that the image models filled"
)


def silence(seconds: float) -> Samples:
    """Nothing at all."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def tones(seconds: float, *hertz: float) -> Samples:
    """Tones that sound on, as in music."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(sum(np.sin(2 * np.pi * each * time) for each in hertz) * 0.2 / len(hertz), np.float32)


def babble(seconds: float, *, seed: int = 1) -> Samples:
    """Noise that comes in syllables: loud for 150 ms, silent for 100 ms, like speech in the measures of loudness."""
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * SAMPLE_RATE))
    syllable = np.repeat([1.0, 0.0], [round(0.15 * SAMPLE_RATE), round(0.1 * SAMPLE_RATE)])
    return np.asarray(noise * np.resize(syllable, len(noise)), np.float32)


def sound_of(*parts: Samples) -> Sound:
    """A sound made of these parts, one after the other."""
    return Sound(pcm_of(*parts))


def pcm_of(*parts: Samples) -> NDArray[np.int16]:
    """The parts as 16 bit numbers."""
    return np.asarray(np.clip(np.concatenate(parts), -1, 1) * 32767, np.int16)


def job_with_sound(folder: Path, *parts: Samples) -> tuple[Path, DemuxResult]:
    """A job whose sound these parts are, and what demux said of it."""
    make_job(folder)
    (folder / "demux").mkdir()
    pcm = pcm_of(*parts)
    audio = folder / "demux/audio.wav"
    wavfile.write(audio, SAMPLE_RATE, pcm)
    result = DemuxResult(
        audio="demux/audio.wav",
        sample_rate=SAMPLE_RATE,
        channels=1,
        codec="pcm_s16le",
        duration=len(pcm) / SAMPLE_RATE,
        size=audio.stat().st_size,
        container="mov",
        film_duration=len(pcm) / SAMPLE_RATE,
        audio_stream=1,
        streams=(),
    )
    return folder, result
