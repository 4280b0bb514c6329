"""A model cache that the real prefetch has filled from the double of a hub, and from which models are then opened."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from hub_double import TOKEN, HubDouble, running_hub

DOCKER: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class HubCache:
    """A hub, and a cache that is filled from it."""

    hub: HubDouble
    folder: Path

    def bring(self) -> None:
        """Prefetches every model of the hub, with a token whose owner has accepted every licence."""
        repositories = self.hub.repositories
        self.hub.accepted[TOKEN].update(repositories)
        wanted = [
            {"repository": name, "revision": repository.commit, "gated": repository.gated}
            for name, repository in repositories.items()
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": f"{DOCKER / 'common'}:{DOCKER / 'prefetch'}",
            "HF_ENDPOINT": self.hub.endpoint,
            "PREFETCH_MODELS": json.dumps(wanted),
        }
        program = [sys.executable, "-m", "prefetch"]
        subprocess.run(program, env=environment, input=TOKEN, text=True, check=True, timeout=300)
        self.hub.requests.clear()


@contextmanager
def hub_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubCache]:
    """An empty cache of a worker with models of the hub; whatever asks the hub while the block runs fails the test."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("MODELS_SOURCE", "hub")
    monkeypatch.setenv("MODEL_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "huggingface/hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        cache = HubCache(hub, folder)
        yield cache
        assert cache.hub.requests == []
