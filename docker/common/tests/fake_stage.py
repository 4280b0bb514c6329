"""A stage for tests: `fake_stage.py NAME SECONDS LIMIT COMMAND...`. It notes its starts and works with a child.

With FAKE_CARD it has a GPU, which fails at the first start. With STEADY it gets on all the time, else it is stuck half
way.
"""

import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

from cp_whisperx import children
from cp_whisperx.cli import main
from cp_whisperx.contract import MuxResult, StageResult, SubtitleResult
from cp_whisperx.devices import Device
from cp_whisperx.stage import Context, Stage, StageSettings
from cp_whisperx.stages import stage_facts

NAME, SECONDS = sys.argv[1], float(sys.argv[2])
TIME_LIMIT = int(sys.argv[3])
RESULTS: dict[str, StageResult] = {
    "subtitle-gen": SubtitleResult(subtitles="subtitle-gen/film.srt", cues=1, language="en", speakers=1),
    "mux": MuxResult(film="mux/film.mp4", size=1, duration=1.0, streams=(), left_out=()),
}


CARD = [Device("cuda", "NVIDIA L4", 23_034)] if "FAKE_CARD" in os.environ else []


def starts_of(folder: Path) -> int:
    """How often the stage was started for a job."""
    return len((folder / f"{NAME}.starts").read_text().splitlines())


class FakeSettings(StageSettings):
    """It has none."""


def work(context: Context[FakeSettings]) -> StageResult:
    """Works for a while, with a child that would go on for ever."""
    child = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    children._groups.add(child.pid)  # noqa: SLF001 - as run_child does, which would wait
    with (context.folder / f"{NAME}.starts").open("a") as starts:
        starts.write(f"{child.pid}\n")
    if CARD and starts_of(context.folder) == 1:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be")
    began = time.monotonic()
    while (worked := time.monotonic() - began) < SECONDS and not (context.folder / "hurry").exists():
        context.progress(worked / SECONDS if "STEADY" in os.environ else 0.5, "working")
        time.sleep(0.05)
    child.kill()
    child.wait()
    (context.output / Path(RESULTS[NAME].model_dump().get("film", "film.srt")).name).write_text("x")
    return RESULTS[NAME]


if __name__ == "__main__":
    facts = stage_facts(NAME).model_copy(update={"time_limit_seconds": TIME_LIMIT})
    sys.argv[1:] = sys.argv[4:] or ["worker"]
    with (
        patch("cp_whisperx.worker.stage_facts", return_value=facts),
        patch("cp_whisperx.worker._TICK_SECONDS", 0.1),
        patch("cp_whisperx.worker._PAUSE_BEFORE_AGAIN", 1.0),
        patch("cp_whisperx.worker._LONGEST_WAIT_MS", int(os.environ.get("LONGEST_WAIT_MS", "30000"))),
        patch("cp_whisperx.devices.choose_device", side_effect=CARD * 2) if CARD else nullcontext(),
    ):
        main(
            Stage(
                name=NAME,
                settings=FakeSettings,
                result=type(RESULTS[NAME]),
                reads=(),
                run=work,
                never_on_gpu=os.environ.get("NEVER_ON_GPU", ""),
            )
        )
