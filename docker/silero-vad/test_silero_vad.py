"""Where somebody speaks, by silero."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cp_whisperx.cli import schema_text
from cp_whisperx_testing import context_for
from silero_vad import STAGE, SileroVadSettings, run, speech_in, speech_scores
from sounds import job_with_sound, needs_models, silence, sound_of, tones

FRAME = 512 / 16_000


class FakeSession:
    """Scores each frame by its loudness, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    def run(self, _names: None, inputs: dict[str, Any]) -> list[Any]:
        self.given.append(inputs)
        score = np.abs(inputs["input"][:, 64:]).max(keepdims=True)
        return [score, inputs["state"] + 1]


def frames(seconds: float) -> int:
    return round(seconds / FRAME)


def scores(*stretches: tuple[float, float]) -> np.ndarray:  # type: ignore[type-arg]
    return np.concatenate([np.full(frames(seconds), score, np.float32) for seconds, score in stretches])


def test_the_model_is_fed_frame_by_frame_with_its_memory_and_the_end_of_the_frame_before() -> None:
    session: Any = FakeSession()
    found = speech_scores(session, sound_of(silence(0.5), tones(0.5, 440)), lambda _done: None)
    assert len(found) == 32
    assert found[0] == 0
    assert found[-1] > 0.1
    assert [int(given["state"].max()) for given in session.given] == list(range(32))
    for earlier, later in zip(session.given, session.given[1:], strict=False):
        assert (later["input"][0, :64] == earlier["input"][0, -64:]).all()


def test_short_noises_go_near_stretches_become_one_and_get_a_margin() -> None:
    found = speech_in(
        scores((1.0, 0.0), (1.0, 0.9), (0.2, 0.1), (1.0, 0.9), (2.0, 0.0), (0.1, 0.9), (1.0, 0.0)),
        6.3,
        SileroVadSettings(),
    )
    assert len(found) == 1
    assert found[0][0] == pytest.approx(1.0 - 0.05, abs=FRAME)
    assert found[0][1] == pytest.approx(3.2 + 0.05, abs=2 * FRAME)


def test_a_higher_threshold_finds_less() -> None:
    made = scores((1.0, 0.0), (1.0, 0.6), (1.0, 0.0))
    assert speech_in(made, 3.0, SileroVadSettings()) != []
    assert speech_in(made, 3.0, SileroVadSettings(silero_vad_threshold=0.8)) == []


@needs_models
def test_nobody_speaks_in_silence_and_in_a_tone(tmp_path: Path) -> None:
    folder, demuxed = job_with_sound(tmp_path / "job", silence(3), tones(3, 440, 550, 660))
    result = run(context_for(folder, SileroVadSettings(), (demuxed,)))
    assert result.segments == ()
    assert result.speech_seconds == 0


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
