"""Packaged models run on the CPU only: a warning, or an error, in a worker that has a GPU."""

from cp_whisperx.devices import device_in_use
from cp_whisperx.environment import Environment, load_settings
from cp_whisperx.ml.hub import ModelAbsent, from_hub
from cp_whisperx.stage import StageError


def idle_gpu(absent: ModelAbsent | None = None) -> str:
    """The warning that packaged models leave this worker's GPU idle; empty if it has no GPU.

    `absent` is the missing hub model that would have used it. Raises StageError if ALLOW_CPU=false forbids the CPU.
    """
    environment = load_settings(Environment)
    if environment.device is None or device_in_use().kind == "cpu":
        return ""
    text = f"The packaged models run on the CPU, and {device_in_use().title} stays idle"
    reason, way_out = (absent.reason, absent.way_out) if absent else _why_packaged()
    if not environment.allow_cpu:
        raise StageError(f"{text}, which ALLOW_CPU=false forbids: {reason}", f"{way_out} Or set allowCpu to true.")
    return f"{text}: {reason} {way_out}"


def _why_packaged() -> tuple[str, str]:
    if from_hub():
        return "The hub's models need torch.", "Use the variant cuda, or a host's environment with torch."
    return "MODELS_SOURCE=packaged.", "Set models.source to hub: its models use the GPU."
