#!/usr/bin/env python3
"""Double of NVIDIA's hook: records the engine's request for a container, and gives it no GPU.

The engine calls the real one in the same way, before the container's own program starts: with the container's state on
standard input, where `bundle` names the folder of its configuration. The real one reads the same variables.
"""

import json
import sys
from pathlib import Path

PLACE = Path("/var/log/nvidia-requests")

state = json.load(sys.stdin)
container = json.loads(Path(state["bundle"], "config.json").read_text())
variables = dict(line.split("=", 1) for line in container["process"]["env"])
PLACE.mkdir(exist_ok=True)
note = PLACE / f"{state['id']}.json"
note.write_text(
    json.dumps(
        {
            "call": sys.argv[1:],
            "devices": variables.get("NVIDIA_VISIBLE_DEVICES"),
            "capabilities": variables.get("NVIDIA_DRIVER_CAPABILITIES"),
        }
    )
)
