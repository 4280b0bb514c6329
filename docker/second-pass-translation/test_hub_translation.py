"""NLLB and Opus-MT on torch, from a hub. `make test-torch` runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: make test-torch runs it")
pytest.importorskip("transformers", reason="needs transformers: make test-torch runs it")

import hub_translation
from cp_whisperx.contract import AsrResult, SpokenSegment, TranslationResult
from cp_whisperx.stage import StageError
from cp_whisperx_testing import context_for, make_job
from hub_cache import HubCache, hub_cache
from second_pass_translation import HUB_MODELS, STAGE, TranslationSettings, nllb_languages, run
from torch_models import nllb_files, opus_files

NLLB, OPUS = HUB_MODELS["nllb"], HUB_MODELS["opus-mt"]
ENGLISH = {"Buenas noches, inspector.": "Good evening, inspector.", "El tren ha llegado.": "The train has arrived."}
GERMAN = {"Buenas noches, inspector.": "Guten Abend, Inspektor.", "El tren ha llegado.": "Der Zug ist da."}
TEXT = AsrResult(
    language="es",
    segments=tuple(
        SpokenSegment(start=2 * index, end=2 * index + 1, text=text, speaker=f"SPEAKER_0{index}")
        for index, text in enumerate(ENGLISH)
    ),
    model="base",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubCache]:
    """An empty cache of a worker with models of the hub."""
    hub_translation.load_model.cache_clear()
    with hub_cache(tmp_path / "models", monkeypatch) as made:
        yield made


def translated(folder: Path, settings: TranslationSettings, said: list[str] | None = None) -> TranslationResult:
    told = [] if said is None else said
    return run(context_for(make_job(folder / "job"), settings, (TEXT,), warn=told.append))


def test_nllb_translates_into_the_language_of_the_audience(cache: HubCache, tmp_path: Path) -> None:
    languages = nllb_languages()
    lessons = [
        (languages["es"], source, languages[code], target)
        for code, texts in (("en", ENGLISH), ("de", GERMAN))
        for source, target in texts.items()
    ]
    cache.hub.add(NLLB, nllb_files(lessons))
    cache.bring()
    STAGE.load(TranslationSettings())  # type: ignore[misc]
    english = translated(tmp_path / "english", TranslationSettings())
    assert english.method == "nllb-200-distilled-600M"
    assert [segment.text for segment in english.segments] == list(ENGLISH.values())
    assert [segment.original for segment in english.segments] == list(ENGLISH)
    assert [(segment.start, segment.speaker) for segment in english.segments] == [(0, "SPEAKER_00"), (2, "SPEAKER_01")]
    german = translated(tmp_path / "german", TranslationSettings(target_language="de", second_pass_batch_size=1))
    assert [segment.text for segment in german.segments] == list(GERMAN.values())


def test_opus_translates_where_nllb_was_not_brought_and_the_job_says_so(cache: HubCache, tmp_path: Path) -> None:
    cache.hub.add(OPUS, opus_files(list(ENGLISH.items())))
    cache.bring()
    STAGE.load(TranslationSettings())  # type: ignore[misc]
    said: list[str] = []
    result = translated(tmp_path, TranslationSettings(), said)
    assert result.method == "opus-mt-mul-en"
    assert [segment.text for segment in result.segments] == list(ENGLISH.values())
    assert any(NLLB in text for text in said)


def test_a_damaged_model_is_told_with_its_path(cache: HubCache) -> None:
    cache.hub.add(NLLB, {"config.json": b'{"model_type": "m2m_100"}', "pytorch_model.bin": b"half a model" * 2000})
    cache.bring()
    with pytest.raises(StageError, match=r"facebook--nllb-200-distilled-600M.* cannot be opened"):
        STAGE.load(TranslationSettings())  # type: ignore[misc]
