"""Models of a hub, as stages find them in the cache."""

from pathlib import Path

import pytest

from cp_whisperx.errors import StageError
from cp_whisperx.files import write_document
from cp_whisperx.ml.hub import (
    AbsentModel,
    HubModel,
    HubModels,
    ModelAbsent,
    from_hub,
    hub_list,
    hub_version,
    snapshot,
    snapshot_folder,
    whisper_snapshot,
)

NAME = "Systran/faster-whisper-base"
COMMIT = "e" * 40


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache into which the prefetch brought one model."""
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = snapshot_folder(tmp_path / "hub", NAME, COMMIT)
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    listed = HubModels(
        models={NAME: HubModel(revision=COMMIT, commit=COMMIT, files={"model.bin": 7})},
        absent={"pyannote/segmentation-3.0": AbsentModel(reason="There is no token.", way_out="Set one.")},
    )
    write_document(hub_list(tmp_path), listed)
    return tmp_path


def test_a_whisper_model_is_found_by_its_short_name(cache: Path) -> None:
    assert whisper_snapshot("base") == cache / "hub/models--Systran--faster-whisper-base/snapshots" / COMMIT


def test_a_missing_model_is_told_with_the_setting_and_the_prefetch(cache: Path) -> None:
    with pytest.raises(ModelAbsent) as error:
        snapshot("Systran/faster-whisper-large-v3")
    assert f"HF_HUB_CACHE={cache / 'hub'}" in error.value.reason
    assert "MODELS_SOURCE=hub" in error.value.reason
    assert "make models" in error.value.way_out
    assert "models.leaveOut" in error.value.way_out


def test_a_model_that_was_left_out_is_told_with_the_reason() -> None:
    with pytest.raises(ModelAbsent, match="There is no token") as error:
        snapshot("pyannote/segmentation-3.0")
    assert error.value.way_out == "Set one."


@pytest.mark.parametrize("content", [b"half", None])
def test_a_damaged_model_is_told_with_its_files(cache: Path, content: bytes | None) -> None:
    path = snapshot_folder(cache / "hub", NAME, COMMIT) / "model.bin"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StageError, match=r"is damaged in the model cache: model\.bin") as error:
        snapshot(NAME)
    assert not isinstance(error.value, ModelAbsent)


def test_a_cache_that_no_prefetch_has_seen_has_no_models(cache: Path) -> None:
    hub_list(cache).unlink()
    with pytest.raises(ModelAbsent):
        snapshot(NAME)


def test_the_version_names_the_commits() -> None:
    assert hub_version(NAME, "no/model") == f"{NAME}@{COMMIT} no/model@absent"


def test_models_are_packaged_unless_it_is_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_hub()
    monkeypatch.delenv("MODELS_SOURCE")
    assert not from_hub()
    monkeypatch.setenv("MODELS_SOURCE", "elsewhere")
    with pytest.raises(StageError, match="MODELS_SOURCE"):
        from_hub()
