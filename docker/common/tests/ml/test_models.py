"""Model files that are there, missing or damaged."""

from pathlib import Path

import pytest

from cp_whisperx.errors import StageError
from cp_whisperx.ml.models import model_path, model_version
from cp_whisperx.ml.names import load_language
from cp_whisperx.ml.onnx import open_model
from cp_whisperx.ml.whisper_models import load_model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model cache."""
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path))
    return tmp_path


def test_a_missing_model_is_told_with_its_path_the_variable_and_the_way_out(cache: Path) -> None:
    with pytest.raises(StageError) as error:
        model_path("silero/silero_vad.onnx")
    assert f"{cache}/silero/silero_vad.onnx" in error.value.reason
    assert f"MODEL_CACHE={cache}" in error.value.reason
    assert "make models" in error.value.way_out


def test_a_damaged_onnx_model_is_told_with_its_path(cache: Path) -> None:
    (cache / "half.onnx").write_bytes(b"\x08\x08" * 100)
    with pytest.raises(StageError, match=r"half\.onnx cannot be opened"):
        open_model("half.onnx", 1)


def test_a_damaged_whisper_model_is_told_with_its_path(cache: Path) -> None:
    (cache / "whisper/base").mkdir(parents=True)
    (cache / "whisper/base/model.bin").write_bytes(b"half a model")
    with pytest.raises(StageError, match="whisper/base cannot be opened"):
        load_model("base", "int8", 1)


def test_a_damaged_spacy_model_is_told_with_its_path(cache: Path) -> None:
    (cache / "spacy/small").mkdir(parents=True)
    with pytest.raises(StageError, match="spacy/small cannot be opened"):
        load_language("small")


def test_the_version_of_a_model_is_made_of_its_own_files_alone(cache: Path) -> None:
    assert model_version("whisper/base") == ""
    (cache / "packaged.json").write_text('{"whisper/base/b": "2", "whisper/base/a": "1", "whisper/base-en/a": "3"}')
    assert model_version("whisper/base") == "1 2"
    assert model_version("whisper/base/a") == "1"
    assert model_version("whisper/large-v3") == ""
