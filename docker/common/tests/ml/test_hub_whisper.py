"""Whisper from a hub: the packaged model, served by the double, brought by the real prefetch, opened by its path."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from faster_whisper import WhisperModel, decode_audio

from cp_whisperx.ml.hub import hub_version, whisper_repository, whisper_snapshot
from hub_cache import HubCache, hub_cache
from sounds import needs_models

(FILM,) = (Path(__file__).parents[4] / "samples").glob("*.mp4")

pytestmark = needs_models


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubCache]:
    """A cache of a worker, and a hub with Whisper's base model."""
    packaged = Path(os.environ["MODEL_CACHE"]) / "whisper/base"
    files = {path.name: path.read_bytes() for path in packaged.iterdir() if path.name != "LICENCE"}
    with hub_cache(tmp_path, monkeypatch) as made:
        made.hub.add(whisper_repository("base"), files)
        yield made


def test_whisper_hears_the_sample_with_the_weights_of_the_hub(cache: HubCache) -> None:
    cache.bring()
    folder = whisper_snapshot("base")
    assert folder.is_relative_to(cache.folder)
    assert hub_version(whisper_repository("base")).endswith(folder.name)
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True)
    segments, facts = model.transcribe(decode_audio(str(FILM), sampling_rate=16_000)[: 20 * 16_000], beam_size=1)
    text = " ".join(segment.text for segment in segments)
    assert facts.language == "en"
    assert "lighthouse" in text.lower()
