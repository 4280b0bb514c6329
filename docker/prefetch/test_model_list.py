"""The list of models."""

import re

import pytest

from cp_whisperx.errors import StageError
from cp_whisperx.stages import all_stages
from model_list import WantedModel, wanted_models

MODELS = wanted_models("")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.repository)
def test_a_model_is_pinned_to_a_commit_or_says_that_it_is_not(model: WantedModel) -> None:
    assert bool(re.fullmatch(r"[0-9a-f]{40}", model.revision)) != model.to_be_pinned


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.repository)
def test_a_model_names_its_stages_its_licence_and_its_size(model: WantedModel) -> None:
    assert model.stages
    assert set(model.stages) <= {stage.name for stage in all_stages()}
    assert model.licence
    assert model.licence_page == f"https://huggingface.co/{model.repository}"
    assert model.megabytes


@pytest.mark.parametrize("model", [model for model in MODELS if not model.to_be_pinned], ids=lambda m: m.repository)
def test_weights_are_pinned_by_their_content(model: WantedModel) -> None:
    weights = {name for name in model.files if name.endswith((".bin", ".safetensors"))}
    assert weights == set(model.sha256)
    assert all(re.fullmatch(r"[0-9a-f]{64}", expected) for expected in model.sha256.values())


def test_what_needs_a_known_user_has_a_fallback() -> None:
    assert all(model.fallback for model in MODELS if model.gated)


def test_no_model_is_named_twice() -> None:
    assert len({model.repository for model in MODELS}) == len(MODELS)


def test_a_list_that_is_none_is_refused() -> None:
    with pytest.raises(StageError, match="PREFETCH_MODELS is not a valid list of models"):
        wanted_models("Systran/faster-whisper-base")
