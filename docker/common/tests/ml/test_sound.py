"""Sound that is read in pieces."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile

from cp_whisperx.errors import StageError
from cp_whisperx.ml.sound import Sound, open_sound
from sounds import pcm_of, silence, sound_of, tones


@given(total=st.integers(0, 300), count=st.integers(1, 50), step=st.integers(1, 50))
def test_windows_reach_the_end_and_are_all_of_one_length(total: int, count: int, step: int) -> None:
    step = min(step, count)
    pcm = np.arange(1, total + 1, dtype=np.int16)
    windows = list(Sound(pcm).windows(count, step))
    assert {len(window) for window in windows} == {count}
    heard = {round(float(value) * 32768) for window in windows for value in window} - {0}
    assert heard == set(pcm.tolist())


def test_a_stretch_beyond_the_sound_gives_what_there_is() -> None:
    sound = sound_of(tones(1.0, 440))
    assert len(sound.between(0.5, 5.0)) == 8000
    assert len(sound.between(-1.0, 0.25)) == 4000
    assert sound.between(0.0, 1.0) == pytest.approx(tones(1.0, 440), abs=1e-4)


def test_a_file_is_mapped_not_read(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 16_000, pcm_of(tones(2.0, 440)))
    sound = open_sound(tmp_path / "a.wav")
    assert isinstance(sound.pcm, np.memmap)
    assert sound.duration == 2.0


@pytest.mark.parametrize(
    ("rate", "samples", "part"),
    [
        (8_000, pcm_of(silence(1.0)), "8000 Hz"),
        (16_000, np.zeros((16_000, 2), np.int16), "(16000, 2)"),
        (16_000, silence(1.0), "float32"),
    ],
)
def test_other_sound_is_refused(tmp_path: Path, rate: int, samples: np.ndarray, part: str) -> None:  # type: ignore[type-arg]
    wavfile.write(tmp_path / "a.wav", rate, samples)
    with pytest.raises(StageError) as error:
        open_sound(tmp_path / "a.wav")
    assert part in error.value.reason


def test_a_file_that_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"text, not sound, although the name says so")
    with pytest.raises(StageError, match="cannot be read"):
        open_sound(tmp_path / "a.wav")
