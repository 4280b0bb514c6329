"""prefetch: downloads models from a hub into the model cache, so that no service needs the hub at run time.

    python -m prefetch < token

The token for gated models is one line of standard input; an empty line or end of file means no token. It is never
written anywhere. The prefetch keeps complete files, downloads damaged ones again and resumes interrupted downloads.
MODEL_CACHE/hub.json lists the models in the cache; the stages find them there. If all models are cached, it needs no
network.
"""

import math
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checksums import is_as_named
from cp_whisperx.errors import StageError
from cp_whisperx.files import locked, write_document
from cp_whisperx.ml.hub import (
    FILL_AGAIN,
    AbsentModel,
    HubModel,
    HubModels,
    hub_list,
    lacking_files,
    read_hub_models,
    snapshot_folder,
)
from model_list import TOKEN_SETTING, WantedModel, wanted_models
from patience import Patience

if TYPE_CHECKING:
    from download import Hub

_LOCK: Final = ".prefetch.lock"
_ENVIRONMENT: Final = {
    "HF_HUB_OFFLINE": "0",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Plain HTTP downloads can be resumed, and work through any proxy.
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_VERBOSITY": "error",
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Cache:
    """The model cache: its folder with hub.json, and huggingface_hub's own cache in it."""

    folder: Path
    """MODEL_CACHE."""
    hub: Path
    """HF_HUB_CACHE."""

    def has(self, model: WantedModel, found: HubModel | None) -> bool:
        """Whether `found`, an entry of hub.json, matches the list, and all its files are complete."""
        if found is None or (found.revision, found.patterns) != (model.revision, model.files):
            return False
        folder = snapshot_folder(self.hub, model.repository, found.commit)
        if lacking_files(folder, found.files):
            return False
        pinned = all((folder / name).resolve().name == expected for name, expected in model.sha256.items())
        return pinned and all(is_as_named(folder / name) for name in found.files)


def prefetch(models: Iterable[WantedModel], cache: Cache, hub: "Hub", say: Say) -> None:
    """Downloads the models into the cache; raises StageError with the reason and the fix."""
    if not cache.folder.is_dir():
        raise StageError(f"The model cache {cache.folder} is missing.", "Mount its volume there; `make up` does so.")
    try:
        with locked(cache.folder / _LOCK, wait=False) as alone:
            if alone:
                _bring(models, cache, hub, say)
                return
        say("another prefetch is filling this cache; waiting for it")
        with locked(cache.folder / _LOCK):
            _bring(models, cache, hub, say)
    except OSError as error:
        raise StageError(
            f"Cannot write to the model cache {cache.folder}: {error.strerror}.",
            f"Let user {os.getuid()} write to it (setting `user`), then run `make up`.",
        ) from error


def _bring(models: Iterable[WantedModel], cache: Cache, hub: "Hub", say: Say) -> None:
    listed = read_hub_models(cache.folder)
    wanted = {model.repository: model for model in models}
    say("checking the models in the cache")
    there = {
        name: found for name, found in listed.models.items() if name not in wanted or cache.has(wanted[name], found)
    }
    absent = {name: why for name, why in listed.absent.items() if name in wanted and name not in there}
    lacking = [model for name, model in wanted.items() if name not in there]
    for number, model in enumerate(lacking, start=1):
        size = f", about {model.megabytes} MB" if model.megabytes else ""
        say(f"{number} of {len(lacking)}: {model.repository}{size}")
        found = _fetched(model, absent.get(model.repository), hub, say)
        if isinstance(found, AbsentModel):
            absent[model.repository] = found
        else:
            there[model.repository] = found
            absent.pop(model.repository, None)
        # After each model, so that an error does not lose those before it.
        _settle(cache, HubModels(models=there, absent=absent), hub)
    _settle(cache, HubModels(models=there, absent=absent), hub)
    left_out = f", {len(absent)} left out" if absent else ""
    say(f"{len(wanted) - len(absent)} of {len(wanted)} models are in {cache.hub}{left_out}")


def _fetched(model: WantedModel, before: AbsentModel | None, hub: "Hub", say: Say) -> HubModel | AbsentModel:
    """Downloads a model, or returns why it was left out. `before` is the reason of an earlier run, if any."""
    from download import fetch  # noqa: PLC0415 - see main
    from hub_errors import Asked, Refused, Unreachable, refused  # noqa: PLC0415 - see main

    try:
        if model.gated and not hub.token:
            raise refused(Asked(model, hub.endpoint, has_token=False, cache=hub.cache))
        return fetch(model, hub)
    except Refused as error:
        if not model.fallback:
            raise
        say(f"left out: {error.reason} Without it: {model.fallback}. {error.way_out}")
        return AbsentModel(reason=error.reason, way_out=error.way_out)
    except Unreachable as error:
        # An earlier run left it out as well and the stages used the fallback: not an error.
        if not model.fallback or before is None:
            raise
        say(f"left out again: {error.reason} Without it: {model.fallback}. `{FILL_AGAIN}` retries.")
        return before


def _settle(cache: Cache, content: HubModels, hub: "Hub") -> None:
    """Writes hub.json, then removes older commits, so that hub.json never lists files that are being removed."""
    from download import drop_other_commits  # noqa: PLC0415 - see main

    _note(cache, content)
    drop_other_commits({name: found.commit for name, found in content.models.items()}, hub)


def _note(cache: Cache, content: HubModels) -> None:
    if not hub_list(cache.folder).exists() or read_hub_models(cache.folder) != content:
        write_document(hub_list(cache.folder), content)


def read_token() -> str:
    """The token from standard input; raises StageError, without showing the token, if it is malformed."""
    token = "" if sys.stdin.isatty() else sys.stdin.readline().strip()
    if token and not re.fullmatch(r"[\x21-\x7e]+", token):
        raise StageError(
            "The token has invalid characters.",
            f"Set it again without quotes and spaces: {TOKEN_SETTING}",
        )
    return token


def prepare_environment(certificates: str, answer_seconds: float) -> None:
    """Sets the variables that huggingface_hub reads at import; `certificates` are trusted in addition to public CAs."""
    limit = str(math.ceil(answer_seconds))
    os.environ.update({**_ENVIRONMENT, "HF_HUB_DOWNLOAD_TIMEOUT": limit, "HF_HUB_ETAG_TIMEOUT": limit})
    if certificates:
        import certifi  # noqa: PLC0415 - used nowhere else

        with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as bundle:
            bundle.write(f"{Path(certifi.where()).read_text()}\n{certificates}\n")
        os.environ["REQUESTS_CA_BUNDLE"] = bundle.name


@click.command()
@click.option("--models", envvar="PREFETCH_MODELS", default="", help="JSON list of models; default: models.json.")
@click.option("--endpoint", envvar="HF_ENDPOINT", default="https://huggingface.co", show_default=True, help="The hub.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    envvar="MODEL_CACHE",
    default=Path("/models"),
    show_default=True,
    help="The model cache.",
)
@click.option(
    "--hub-cache",
    type=click.Path(path_type=Path),
    envvar="HF_HUB_CACHE",
    help="The cache of huggingface_hub; default: huggingface/hub in the model cache.",
)
@click.option(
    "--time-limit",
    type=click.IntRange(min=1),
    envvar="PREFETCH_TIME_LIMIT",
    default=4 * 3600,
    show_default=True,
    help="Seconds after which it stops; the next run resumes.",
)
@click.option(
    "--attempts",
    type=click.IntRange(min=1),
    envvar="PREFETCH_ATTEMPTS",
    default=5,
    show_default=True,
    help="Attempts in a row without any new data.",
)
@click.option(
    "--pause",
    type=click.FloatRange(min=0),
    envvar="PREFETCH_PAUSE",
    default=2.0,
    show_default=True,
    help="Seconds before the first retry; doubles with each further one.",
)
@click.option(
    "--answer-seconds",
    type=click.FloatRange(min=1),
    envvar="PREFETCH_ANSWER_SECONDS",
    default=30.0,
    show_default=True,
    help="Read timeout in seconds.",
)
@click.option(
    "--report-seconds",
    type=click.FloatRange(min=0.1),
    envvar="PREFETCH_REPORT_SECONDS",
    default=5.0,
    show_default=True,
    help="Seconds between two lines of progress.",
)
@click.option(
    "--certificates", envvar="PREFETCH_CERTIFICATES", default="", help="Additional CA certificates, as PEM text."
)
def main(  # noqa: PLR0913 - one for each option
    *,
    models: str,
    endpoint: str,
    cache: Path,
    hub_cache: Path | None,
    time_limit: int,
    attempts: int,
    pause: float,
    answer_seconds: float,
    report_seconds: float,
    certificates: str,
) -> None:
    """Download models from a hub into the model cache; the token is one line of standard input.

    Every option is also an environment variable: PREFETCH_MODELS, HF_ENDPOINT, MODEL_CACHE, HF_HUB_CACHE,
    PREFETCH_TIME_LIMIT, PREFETCH_ATTEMPTS, PREFETCH_PAUSE, PREFETCH_ANSWER_SECONDS, PREFETCH_REPORT_SECONDS,
    PREFETCH_CERTIFICATES.
    """
    token = ""

    def say(text: str) -> None:
        click.echo(f"prefetch: {text.replace(token, '[token]') if token else text}")

    try:
        token = read_token()
        prepare_environment(certificates, answer_seconds)
        # huggingface_hub reads the environment once, when it is imported.
        from download import Hub, wait_for_answers  # noqa: PLC0415

        wait_for_answers(answer_seconds)
        patience = Patience(time.monotonic() + time_limit, attempts, pause, report_seconds)
        places = Cache(cache, hub_cache or cache / "huggingface/hub")
        hub = Hub(endpoint=endpoint.rstrip("/"), token=token, cache=places.hub, patience=patience, say=say)
        prefetch(wanted_models(models), places, hub, say)
    except StageError as error:
        click.echo(f"prefetch: {str(error).replace(token, '[token]') if token else error}", err=True)
        _leave(1)


def _leave(status: int) -> None:
    """Exits even if another thread is still downloading after a timeout."""
    sys.stdout.flush()
    sys.stderr.flush()
    if threading.active_count() > 1:
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    main()
