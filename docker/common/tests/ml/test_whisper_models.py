"""Which Whisper model is chosen and loaded, and what happens when out of memory."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cp_whisperx.backoff import OutOfMemoryError
from cp_whisperx.devices import Device
from cp_whisperx.errors import StageError
from cp_whisperx.files import write_document
from cp_whisperx.hardware import Gpu, HardwareProfile
from cp_whisperx.ml import whisper_models
from cp_whisperx.ml.hub import HubModel, HubModels, whisper_repository
from cp_whisperx.ml.whisper_models import WhisperSettings, load_first, load_model, model_for, steps_for, within_memory
from cp_whisperx.ml.whisper_weights import available_models, model_folder, weights_name, weights_version
from cp_whisperx.stage import Context
from cp_whisperx.whisper_choice import WhisperStep
from cp_whisperx_testing import context_for, make_job

CARD = Device("cuda", "NVIDIA L4", 23_034, index=1)
FULL = RuntimeError("CUDA failed with error out of memory")
ON_CARD = frozenset({"float32", "float16", "int8_float16", "int8_float32", "int8", "bfloat16"})
ON_PROCESSOR = frozenset({"float32", "int8", "int8_float32"})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model cache with the packaged model."""
    folder = tmp_path / "models"
    monkeypatch.setenv("MODEL_CACHE", str(folder))
    monkeypatch.setenv("FILMS_OUT", str(tmp_path))
    for name in ("MODELS_SOURCE", "ALLOW_CPU"):
        monkeypatch.delenv(name, raising=False)
    add_packaged(folder, "base")
    whisper_models._loaded.clear()  # noqa: SLF001 - what another test loaded
    return folder


def add_packaged(cache: Path, name: str) -> None:
    (cache / "whisper" / name).mkdir(parents=True)
    (cache / "whisper" / name / "model.bin").write_bytes(b"weights")


def add_hub(cache: Path, name: str) -> Path:
    """A model that the prefetch brought."""
    repository, commit = whisper_repository(name), "0" * 39 + "1"
    folder = cache / "huggingface/hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    model = HubModel(revision=commit, commit=commit, files={"model.bin": 7})
    write_document(cache / "hub.json", HubModels(models={repository: model}))
    return folder


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> Callable[[Device], None]:
    """Lets that device be the worker's, in a machine with two cards."""

    def supported(kind: str, _index: int) -> frozenset[str]:
        return ON_CARD if kind == "cuda" else ON_PROCESSOR

    def set_device(device: Device) -> None:
        cards = tuple(
            Gpu(index=index, name=name, memory_megabytes=memory, driver="570.1", cuda="12.8")
            for index, (name, memory) in enumerate((("small", 4_000), ("NVIDIA L4", 23_034)))
        )
        profile = HardwareProfile(gpus=cards, cores=2, memory_megabytes=4_096)
        monkeypatch.setattr(whisper_models, "device_in_use", lambda: device)
        monkeypatch.setattr(whisper_models, "hardware_profile", lambda _folder, _device: profile)
        monkeypatch.setattr("ctranslate2.get_supported_compute_types", supported)

    return set_device


def test_the_packaged_model_on_the_processor_is_what_it_always_was(cache: Path) -> None:
    first = steps_for(WhisperSettings())[0]
    assert first == WhisperStep("cpu", 0, "base", "int8", 4, 2)
    assert model_folder("base") == cache / "whisper/base"
    assert {step.device for step in steps_for(WhisperSettings())} == {"cpu"}


def test_a_card_gets_the_best_model_of_the_hub_and_the_processor_comes_last(
    cache: Path, on_device: Callable[[Device], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = add_hub(cache, "large-v3")
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache / "huggingface/hub"))
    on_device(CARD)
    assert available_models() == {"large-v3", "base"}
    steps = steps_for(WhisperSettings())
    assert steps[0] == WhisperStep("cuda", 1, "large-v3", "float16", 24, 2)
    assert model_folder(steps[0].model) == folder
    assert [str(step) for step in steps[-6:]] == [
        "large-v3 as int8_float16 in batches of 1 on cuda:1",
        "large-v3 as int8 in batches of 1 on cuda:1",
        "base as int8 in batches of 1 on cuda:1",
        "base as int8 in batches of 4 on cpu",
        "base as int8 in batches of 2 on cpu",
        "base as int8 in batches of 1 on cpu",
    ]


def test_the_processor_is_no_way_out_where_it_is_not_allowed(
    on_device: Callable[[Device], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_device(CARD)
    monkeypatch.setenv("ALLOW_CPU", "false")
    assert {step.device for step in steps_for(WhisperSettings())} == {"cuda"}


def test_the_share_of_a_card_bounds_the_batch(on_device: Callable[[Device], None]) -> None:
    on_device(replace(CARD, share_megabytes=6144))
    assert steps_for(WhisperSettings())[0].batch_size == 8


def test_what_the_user_sets_is_taken(cache: Path, on_device: Callable[[Device], None]) -> None:
    add_packaged(cache, "own-model")
    on_device(CARD)
    settings = WhisperSettings(whisper_model="own-model", whisper_compute_type="float32")
    steps = steps_for(settings, batch_size=3)
    assert steps[0] == WhisperStep("cuda", 1, "own-model", "float32", 3, 2)
    assert {step.model for step in steps if step.device == "cuda"} == {"own-model"}
    assert steps[-1] == WhisperStep("cpu", 0, "base", "int8", 1, 2)


def test_a_number_format_for_gpus_is_not_forced_upon_the_processor_that_takes_the_place_of_one(
    on_device: Callable[[Device], None],
) -> None:
    settings = WhisperSettings(whisper_compute_type="float16")
    on_device(Device("cpu", "processor", 4_096, reason="no driver"))
    assert steps_for(settings)[0].compute_type == "int8"
    on_device(Device("cpu", "processor", 4_096))
    assert steps_for(settings)[0].compute_type == "float16"


def test_a_model_of_the_hub_that_is_not_there_is_told_with_the_prefetch(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StageError, match=f"{cache}/whisper/medium/model.bin is missing"):
        model_folder("medium")
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    with pytest.raises(StageError, match=whisper_repository("medium")):
        model_folder("medium")
    assert model_folder("base") == cache / "whisper/base"


def test_the_version_of_a_model_names_it_and_its_source(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "packaged.json").write_text('{"whisper/base/model.bin": "abc"}')
    assert weights_version("base") == "base abc"
    assert weights_name("base") == "base"
    assert weights_version("own-model") == "own-model"
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    add_hub(cache, "base")
    assert weights_name("base") == f"{whisper_repository('base')}@{'0' * 39}1"
    assert weights_version("base") == f"base {weights_name('base')}"


class Loads:
    """Stands for WhisperModel; raises what it is told for a device."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.errors: dict[str, Exception] = {}

    def __call__(self, folder: str, **options: Any) -> object:
        self.calls.append({"folder": folder, **options})
        if options["device"] in self.errors:
            raise self.errors[options["device"]]
        return object()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    made = Loads()
    monkeypatch.setattr(whisper_models, "WhisperModel", made)
    return made


def test_one_model_is_kept_whatever_the_batch(loads: Loads) -> None:
    step = WhisperStep("cuda", 1, "base", "float16", 8, 2)
    model = model_for(step)
    assert model_for(WhisperStep("cuda", 1, "base", "float16", 1, 2)) is model
    assert len(loads.calls) == 1
    assert loads.calls[0]["device_index"] == 1
    assert model_for(WhisperStep("cpu", 0, "base", "int8", 1, 2)) is not model
    assert model_for(step) is not model
    assert [call["device"] for call in loads.calls] == ["cuda", "cpu", "cuda"]


def test_a_model_that_a_prefetch_has_brought_meanwhile_is_loaded(
    loads: Loads, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache / "huggingface/hub"))
    step = WhisperStep("cpu", 0, "base", "int8", 1, 2)
    packaged = model_for(step)
    folder = add_hub(cache, "base")
    assert model_for(step) is not packaged
    assert [call["folder"] for call in loads.calls] == [str(cache / "whisper/base"), str(folder)]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("Requested float16 compute type, but the target device does not"), "WHISPER_COMPUTE_TYPE=float16"),
        (RuntimeError("Library libcublas.so.12 is not found or cannot be loaded"), "Whisper cannot use the GPU"),
        (RuntimeError("CUDA failed with error CUDA driver version is insufficient"), "Whisper cannot use the GPU"),
        (RuntimeError("Unsupported model binary version"), "whisper/base cannot be opened"),
    ],
)
def test_what_keeps_a_model_from_the_gpu_is_told(loads: Loads, error: Exception, said: str) -> None:
    loads.errors["cuda"] = error
    with pytest.raises(StageError, match=said):
        load_model("base", "float16", 2, "cuda")


def test_a_full_card_at_the_start_is_left_to_the_jobs(loads: Loads, caplog: pytest.LogCaptureFixture) -> None:
    loads.errors["cuda"] = FULL
    with pytest.raises(RuntimeError, match="out of memory"):
        load_model("base", "float16", 2, "cuda")
    load_first([WhisperStep("cuda", 0, "base", "float16", 8, 2)])
    assert "not enough memory for base as float16" in caplog.text
    loads.errors["cuda"] = RuntimeError("Unsupported model binary version")
    with pytest.raises(StageError):
        load_first([WhisperStep("cuda", 0, "base", "float16", 8, 2)])


@pytest.fixture
def context(tmp_path: Path) -> Context[WhisperSettings]:
    return context_for(make_job(tmp_path / "job"), WhisperSettings())


def test_a_job_tells_its_device_and_each_step_that_it_goes_down(
    context: Context[WhisperSettings], on_device: Callable[[Device], None]
) -> None:
    on_device(CARD)
    warnings: list[str] = []
    devices: list[str] = []
    told = replace_hooks(context, warnings, devices)
    steps = [
        WhisperStep("cuda", 0, "base", "float16", 2, 2),
        WhisperStep("cuda", 0, "base", "float16", 1, 2),
        WhisperStep("cpu", 0, "base", "int8", 1, 2),
    ]

    def work(step: WhisperStep) -> str:
        if step.device == "cuda":
            raise FULL
        return "text"

    assert within_memory(told, steps, work) == "text"
    assert warnings == [
        f"Not enough memory for {step}: continuing with {following}." for step, following in pairwise(steps)
    ]
    assert devices == [CARD.title, "cpu"]
    with pytest.raises(OutOfMemoryError, match="even for base as float16 in batches of 1 on cuda:0"):
        within_memory(told, steps[:2], work)


def test_a_job_tells_that_a_number_format_for_gpus_was_not_used(
    context: Context[WhisperSettings], on_device: Callable[[Device], None]
) -> None:
    on_device(Device("cpu", "processor", 4_096, reason="no driver"))
    warnings: list[str] = []
    settings = WhisperSettings(whisper_compute_type="float16")
    told = replace(replace_hooks(context, warnings, []), settings=settings)
    within_memory(told, steps_for(settings), lambda _step: "text")
    (warning,) = warnings
    assert warning == (
        "WHISPER_COMPUTE_TYPE=float16 does not work on this device: "
        "continuing with base as int8 in batches of 4 on cpu."
    )


def test_a_model_that_does_not_fit_is_loaded_once_for_all_its_batches(
    context: Context[WhisperSettings], on_device: Callable[[Device], None], loads: Loads
) -> None:
    on_device(CARD)
    loads.errors["cuda"] = FULL
    steps = steps_for(WhisperSettings())
    within_memory(context, steps, model_for)
    tried = [(call["device"], call["compute_type"]) for call in loads.calls]
    on_card = ["float16", "int8_float32", "int8_float16", "int8"]
    assert tried == [*(("cuda", compute_type) for compute_type in on_card), ("cpu", "int8")]


def replace_hooks(
    context: Context[WhisperSettings], warnings: list[str], devices: list[str]
) -> Context[WhisperSettings]:
    return replace(context, warn=warnings.append, computes_on=lambda device: devices.append(device.title))
