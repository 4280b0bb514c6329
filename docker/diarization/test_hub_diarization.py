"""pyannote's diarization pipeline on torch, from a hub. `make test-torch` runs it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: make test-torch runs it")
pytest.importorskip("pyannote.audio", reason="needs pyannote.audio: make test-torch runs it")

from faster_whisper import decode_audio

import hub_diarization
from cp_whisperx.contract import DiarizationResult, PyannoteVadResult, ScoredSpan
from cp_whisperx.ml.hub import snapshot
from cp_whisperx.ml.intervals import covered, joined
from cp_whisperx.ml.sound import Samples
from cp_whisperx.stage import StageError
from cp_whisperx_testing import context_for
from diarization import HUB_MODELS, PIPELINE, STAGE, DiarizationSettings, run
from hub_cache import HubCache, hub_cache
from sounds import job_with_sound
from torch_models import full_card, packaged_checkpoint, speaker_embedding

SAMPLES = Path(__file__).parents[2] / "samples"
(FILM,) = SAMPLES.glob("*.mp4")
FIRST, SECONDS = 11.5, 8.0
"""The part of the film that is listened to: one speaker takes over from the other."""
CONFIGURATION = b"""
version: 3.1.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: AgglomerativeClustering
    embedding: pyannote/wespeaker-voxceleb-resnet34-LM
    embedding_batch_size: 32
    embedding_exclude_overlap: true
    segmentation: pyannote/segmentation-3.0
    segmentation_batch_size: 32
params:
  clustering:
    method: centroid
    min_cluster_size: 2
    threshold: 0.7
  segmentation:
    min_duration_off: 0.0
    threshold: 0.5
"""
"""As the hub's, but for the threshold that the older segmentation inside whisperx needs."""


def sample() -> Samples:
    """That part, 16 kHz."""
    film: Samples = decode_audio(str(FILM), sampling_rate=16_000)
    return film[round(FIRST * 16_000) :][: round(SECONDS * 16_000)]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubCache]:
    """A cache into which the three models were brought."""
    hub_diarization.open_pipeline.cache_clear()
    files = (
        {"config.yaml": CONFIGURATION},
        {"pytorch_model.bin": packaged_checkpoint()},
        {"pytorch_model.bin": speaker_embedding(sample())},
    )
    with hub_cache(tmp_path / "models", monkeypatch) as made:
        for name, content in zip(HUB_MODELS, files, strict=True):
            made.hub.add(name, content, gated="wespeaker" not in name)
        made.bring()
        yield made


def told_apart(
    folder: Path, settings: DiarizationSettings, warn: Callable[[str], None] = lambda _text: None
) -> tuple[DiarizationResult, list[float]]:
    folder, demuxed = job_with_sound(folder, sample())
    speech = PyannoteVadResult(
        segments=(ScoredSpan(start=0, end=SECONDS, confidence=1),), speaker_changes=(), source="silero", speech_ratio=1
    )
    done: list[float] = []
    context = context_for(
        folder, settings, (demuxed, speech), report=lambda fraction, _note: done.append(fraction), warn=warn
    )
    return run(context), done


@pytest.mark.usefixtures("cache")
def test_the_pipeline_finds_the_speech_of_the_sample_in_as_many_speakers_as_are_asked_for(tmp_path: Path) -> None:
    STAGE.load(DiarizationSettings())  # type: ignore[misc]
    settings = DiarizationSettings(diarization_speakers=2, diarization_speaker_names="Priya")
    result, done = told_apart(tmp_path / "job", settings)
    assert result.settings["models"] == PIPELINE
    assert result.speakers == ("Priya", "SPEAKER_01")
    assert done == sorted(done)
    assert done[-1] > 0.9
    found = joined(((span.start, span.end) for span in result.segments), 0.3)
    reference = json.loads((SAMPLES / "reference.json").read_text())
    lines = [(max(0.0, line["start"] - FIRST), min(SECONDS, line["end"] - FIRST)) for line in reference["segments"]]
    spoken = [line for line in lines if line[0] < line[1]]
    assert len(spoken) == 2
    assert all(covered(line, found) > 0.9 for line in spoken)
    assert all(span.end <= SECONDS for span in result.segments)


@pytest.mark.usefixtures("cache")
def test_it_never_finds_more_speakers_than_are_allowed(tmp_path: Path) -> None:
    result, _ = told_apart(tmp_path / "job", DiarizationSettings(diarization_max_speakers=1))
    assert result.speakers == ("SPEAKER_00",)


@pytest.mark.usefixtures("cache")
def test_on_a_full_card_the_worker_starts_and_the_job_goes_on_with_the_processor(tmp_path: Path) -> None:
    said: list[str] = []
    with full_card():
        STAGE.load(DiarizationSettings())  # type: ignore[misc]
        result, _ = told_apart(tmp_path / "job", DiarizationSettings(diarization_max_speakers=1), said.append)
    assert result.speakers == ("SPEAKER_00",)
    assert said[-1].endswith("on cpu.")


@pytest.mark.usefixtures("cache")
def test_how_short_a_sound_may_be_is_found_before_a_card_can_spoil_it() -> None:
    pipeline = hub_diarization.open_pipeline(hub_diarization.Folders(*map(snapshot, HUB_MODELS)), 2)
    assert vars(pipeline._embedding)["min_num_samples"] < 8_000  # noqa: SLF001 - pyannote keeps it there


def test_a_damaged_configuration_is_told_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_cache(tmp_path / "models", monkeypatch) as made:
        for name in HUB_MODELS:
            made.hub.add(name, {"config.yaml": b"pipeline: {}\n", "pytorch_model.bin": b"weights"})
        made.bring()
        with pytest.raises(StageError, match=r"config\.yaml cannot be opened"):
            STAGE.load(DiarizationSettings())  # type: ignore[misc]
