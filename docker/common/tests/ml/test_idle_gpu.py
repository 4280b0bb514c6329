"""Packaged models in a worker that has a GPU."""

import pytest

from cp_whisperx.devices import Device
from cp_whisperx.errors import StageError
from cp_whisperx.ml import idle_gpu as module
from cp_whisperx.ml.hub import ModelAbsent
from cp_whisperx.ml.idle_gpu import idle_gpu

ABSENT = ModelAbsent("The model is not there: there is no token.", "Set one.")


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker has a card, and the packaged models."""
    for name in ("ALLOW_CPU", "MODELS_SOURCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEVICE", "auto")
    monkeypatch.setattr(module, "device_in_use", lambda: Device("cuda", "NVIDIA L4", 23_034))


def test_it_is_told_with_the_models_that_would_use_the_card() -> None:
    assert idle_gpu() == (
        "The packaged models run on the CPU, and cuda:0 (NVIDIA L4) stays idle: MODELS_SOURCE=packaged. "
        "Set models.source to hub: its models use the GPU."
    )
    assert idle_gpu(ABSENT).endswith("stays idle: The model is not there: there is no token. Set one.")


def test_it_is_told_that_torch_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    assert "need torch" in idle_gpu()


def test_where_the_processor_is_not_allowed_it_is_an_error_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_CPU", "false")
    with pytest.raises(StageError, match=r"ALLOW_CPU=false forbids: MODELS_SOURCE=packaged\."):
        idle_gpu()
    with pytest.raises(StageError) as refused:
        idle_gpu(ABSENT)
    assert refused.value.way_out == "Set one. Or set allowCpu to true."


def test_without_a_card_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "device_in_use", lambda: Device("cpu", "processor", 1, reason="no driver"))
    assert idle_gpu(ABSENT) == ""
    monkeypatch.delenv("DEVICE")
    monkeypatch.setattr(module, "device_in_use", lambda: 1 / 0)
    assert idle_gpu() == ""
