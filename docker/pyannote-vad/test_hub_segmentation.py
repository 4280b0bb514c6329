"""pyannote's segmentation on torch, from a hub. `make test-torch` runs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: make test-torch runs it")
pytest.importorskip("pyannote.audio", reason="needs pyannote.audio: make test-torch runs it")

import torch
from faster_whisper import decode_audio

import hub_segmentation
from cp_whisperx.contract import PyannoteVadResult, SileroVadResult
from cp_whisperx.ml.sound import Samples
from cp_whisperx.stage import StageError
from cp_whisperx_testing import context_for
from hub_cache import HubCache, hub_cache
from pyannote_vad import HUB_MODEL, MODEL, STAGE, PyannoteVadSettings, open_session, run
from segmentation import convert
from sounds import babble, job_with_sound, silence
from torch_models import full_card, packaged_checkpoint, segmentation_of_sets

(FILM,) = (Path(__file__).parents[2] / "samples").glob("*.mp4")
NOBODY = SileroVadResult(segments=(), speech_seconds=0)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubCache]:
    """An empty cache of a worker with models of the hub."""
    hub_segmentation.open_hub_segmentation.cache_clear()
    with hub_cache(tmp_path / "models", monkeypatch) as made:
        yield made


def found_in(folder: Path, samples: Samples, said: list[str]) -> PyannoteVadResult:
    folder, demuxed = job_with_sound(folder, samples)
    return run(context_for(folder, PyannoteVadSettings(), (demuxed, NOBODY), warn=said.append))


def packaged_cache(folder: Path) -> Path:
    """A model cache with the packaged model, made as the image `models` makes it."""
    checkpoint, model = folder / "checkpoint.bin", folder / MODEL
    model.parent.mkdir(parents=True)
    checkpoint.write_bytes(packaged_checkpoint())
    convert(checkpoint, model)
    return folder


def test_it_hears_in_the_sample_what_the_packaged_model_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packaged model is made of the same weights, so both must say the same."""
    samples = decode_audio(str(FILM), sampling_rate=16_000)
    said: list[str] = []
    with hub_cache(tmp_path / "models", monkeypatch) as cache:
        cache.hub.add(HUB_MODEL, {"pytorch_model.bin": packaged_checkpoint()}, gated=True)
        cache.bring()
        STAGE.load(PyannoteVadSettings())  # type: ignore[misc]
        found = found_in(tmp_path / "hub", samples, said)
    monkeypatch.setenv("MODELS_SOURCE", "packaged")
    monkeypatch.setenv("MODEL_CACHE", str(packaged_cache(tmp_path / "packaged models")))
    expected = found_in(tmp_path / "packaged", samples, said)
    assert said == []
    assert (found.source, len(found.segments)) == ("pyannote", len(expected.segments))
    for one, other in zip(found.segments, expected.segments, strict=True):
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.02)
        assert one.confidence == pytest.approx(other.confidence, abs=0.01)
    assert found.speaker_changes == pytest.approx(expected.speaker_changes, abs=0.02)


def test_sets_of_speakers_become_scores_of_speakers(cache: HubCache) -> None:
    cache.hub.add(HUB_MODEL, {"pytorch_model.bin": segmentation_of_sets()}, gated=True)
    cache.bring()
    session, windows = open_session(PyannoteVadSettings())
    assert windows.length == 160_000
    sound = babble(10)[None, None]
    (scores,) = session.run(None, {"sound": sound})
    model: Any = session._model  # type: ignore[attr-defined]  # noqa: SLF001 - what the scores are made of
    with torch.inference_mode():
        sets = model(torch.from_numpy(sound)).exp().numpy()
    members = [(1, 4, 5), (2, 4, 6), (3, 5, 6)]
    expected = np.stack([sets[..., numbers].sum(axis=-1) for numbers in members], axis=-1)
    assert scores == pytest.approx(expected, abs=1e-5)


def test_a_long_sound_is_heard_to_its_end(cache: HubCache, tmp_path: Path) -> None:
    cache.hub.add(HUB_MODEL, {"pytorch_model.bin": segmentation_of_sets()}, gated=True)
    cache.bring()
    result = found_in(tmp_path / "job", silence(61), [])
    assert result.source == "pyannote"
    assert all(span.end <= 61 for span in result.segments)


def test_on_a_full_card_the_worker_starts_and_the_job_goes_on_with_the_processor(
    cache: HubCache, tmp_path: Path
) -> None:
    cache.hub.add(HUB_MODEL, {"pytorch_model.bin": segmentation_of_sets()}, gated=True)
    cache.bring()
    said: list[str] = []
    with full_card():
        STAGE.load(PyannoteVadSettings())  # type: ignore[misc]
        result = found_in(tmp_path / "job", silence(11), said)
    assert result.source == "pyannote"
    assert said[-1].endswith("on cpu.")


def test_a_damaged_model_is_told_with_its_path(cache: HubCache) -> None:
    cache.hub.add(HUB_MODEL, {"pytorch_model.bin": b"half a model" * 2000}, gated=True)
    cache.bring()
    with pytest.raises(StageError, match=r"pytorch_model\.bin cannot be opened"):
        open_session(PyannoteVadSettings())
