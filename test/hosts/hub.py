"""A model hub for the second machine: the double of docker/common/tests, with models that this project has anyway.

    python hub.py ADDRESS PORT WHISPER LOG

WHISPER is the folder of the packaged model; LOG gets a line of JSON for each request. The first line of standard input
is the only valid token; the next line makes downloads fast. Prints its address when it is ready, and ends at the end of
standard input. Every model has the commit that docker/prefetch/models.json pins.
"""

import json
import sys
from pathlib import Path
from typing import Final

from hub_double import HubDouble, running_hub

PINS: Final = Path(__file__).parents[2] / "docker/prefetch/models.json"
WHISPER: Final = "Systran/faster-whisper-base"
PIPELINE: Final = "pyannote/speaker-diarization-3.1"
SEGMENTATION: Final = "pyannote/segmentation-3.0"
PIPELINE_CONFIGURATION: Final = b"""version: 3.1.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: AgglomerativeClustering
    embedding: pyannote/wespeaker-voxceleb-resnet34-LM
    segmentation: pyannote/segmentation-3.0
params:
  clustering: {method: centroid, min_cluster_size: 12, threshold: 0.7}
  segmentation: {min_duration_off: 0.0}
"""
SECONDS_PER_CHUNK: Final = 0.004
"""Whisper's weights take ten seconds, so that there is progress to report."""
SECONDS_PER_CHUNK_AT_FIRST: Final = 0.1
"""Minutes, so that the test can inspect the container during the download even on a busy machine."""


def add_models(hub: HubDouble, whisper: Path) -> None:
    """Adds an open model, a gated one with an accepted licence, and one without."""
    pins = {entry["repository"]: entry["revision"] for entry in json.loads(PINS.read_text())}
    files = {path.name: path.read_bytes() for path in whisper.iterdir() if path.name != "LICENCE"}
    hub.add(WHISPER, files, pinned=pins[WHISPER])
    hub.add(PIPELINE, {"config.yaml": PIPELINE_CONFIGURATION}, gated=True, pinned=pins[PIPELINE])
    # Never served, so the content does not matter.
    locked = {"pytorch_model.bin": b"locked", "config.yaml": b"locked"}
    hub.add(SEGMENTATION, locked, gated=True, pinned=pins[SEGMENTATION])


def main(address: str, port: str, whisper: str, log: str) -> None:
    """Serves until standard input ends."""
    token = sys.stdin.readline().strip()
    with Path(log).open("a") as requests:
        hub = HubDouble(
            accepted={token: {PIPELINE}}, slow=SECONDS_PER_CHUNK_AT_FIRST, log=requests, address=address, port=int(port)
        )
        add_models(hub, Path(whisper))
        with running_hub(hub):
            print(hub.endpoint, flush=True)
            for _ in sys.stdin:
                hub.slow = SECONDS_PER_CHUNK


if __name__ == "__main__":
    main(*sys.argv[1:])
