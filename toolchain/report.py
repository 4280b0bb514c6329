"""Tables of a deployment: its images and its services. Reads `pulumi stack output --json` from standard input.

report.py snapshot REGISTRY FILE    remember the deployed images and their sizes, before a deployment
report.py healthy                   wait until every service is healthy
report.py tables REGISTRY FILE      print the tables; FILE is the snapshot
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

# Seconds until a running process that does not answer counts as broken.
_PATIENCE = float(os.environ.get("CP_WHISPERX_PATIENCE", "600"))
_PROGRESS = 30.0
# Seconds until a stopped container counts as failed: a starting engine restarts some.
_STOPPED = 10.0
# This many restarts while we wait are a crash loop.
_CRASHES = 3
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit status."""
    match arguments:
        case ["snapshot", registry, file]:
            Path(file).write_text(json.dumps(snapshot(json.load(sys.stdin), registry)), encoding="utf-8")
        case ["healthy"]:
            return wait_until_healthy(json.load(sys.stdin)["services"])
        case ["tables", registry, file]:
            print_tables(json.load(sys.stdin), registry, json.loads(Path(file).read_text(encoding="utf-8")))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def ask_registry(registry: str, path: str) -> Any:  # noqa: ANN401 - whatever JSON the registry answers
    """The registry's answer under /v2/; an empty mapping after a 404."""
    request = urllib.request.Request(f"http://{registry}/v2/{path}", headers={"Accept": _MANIFESTS})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - the address is ours
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return {}
        sys.exit(f"error: the registry {registry} answers {error.code} for {path}")
    except OSError as error:
        sys.exit(f"error: the registry {registry} does not answer: {error}")


def docker(*arguments: str) -> str:
    """The standard output of a docker command; an object that does not exist is no error."""
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if result.returncode and (
        not result.stderr or any("no such" not in line.lower() for line in result.stderr.splitlines())
    ):
        sys.exit(f"error: docker {arguments[0]} failed: {result.stderr.strip() or result.returncode}")
    return result.stdout


class Container(NamedTuple):
    """A container's state in the engine."""

    state: str  # healthy, starting, unhealthy, restarting, exited, missing ...
    restarts: int


def wait_until_healthy(services: Mapping[str, Mapping[str, str]]) -> int:
    """Waits until every service is healthy; returns 1 and prints the failed services as soon as one cannot recover."""
    begin = said = time.monotonic()
    first = containers(services)
    stopped: dict[str, float] = {}
    while sick := {name: found for name, found in containers(services).items() if found.state != "healthy"}:
        now = time.monotonic()
        stopped = {name: stopped.get(name, now) for name in sick if sick[name].state in ("missing", "exited", "dead")}
        over = {
            name: found.state
            for name, found in sick.items()
            if now >= stopped.get(name, now) + _STOPPED
            or found.restarts >= first[name].restarts + _CRASHES
            or now >= begin + _PATIENCE
        }
        for name, state in over.items():
            print(f"error: {name} is {state}\n        fix: {services[name]['logs']}", file=sys.stderr)
        if over:
            return 1
        if now >= said + _PROGRESS:
            said = now
            print("waiting for", ", ".join(f"{name} ({found.state})" for name, found in sick.items()), file=sys.stderr)
        time.sleep(0.5)
    return 0


def containers(services: Mapping[str, Mapping[str, str]]) -> dict[str, Container]:
    """The container of every service."""
    state = (
        '{{if and (eq .State.Status "running") .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}'
    )
    form = "{{.Name}} " + state + " {{.RestartCount}}"
    names = [facts["container"] for facts in services.values()]
    lines = (
        line.lstrip("/").split()
        for line in docker("inspect", "--type", "container", "--format", form, *names).splitlines()
    )
    found = {name: Container(state, int(restarts)) for name, state, restarts in lines}
    return {name: found.get(facts["container"], Container("missing", 0)) for name, facts in services.items()}


def engine_sizes(references: Sequence[str]) -> dict[str, int]:
    """Sizes in bytes of the images in the engine, by `repository@digest`."""
    lines = docker("image", "inspect", "--format", '{{.Size}} {{join .RepoDigests " "}}', *references).splitlines()
    return {name: int(size) for size, *names in (line.split() for line in lines) for name in names}


def registry_size(registry: str, reference: str) -> int:
    """Bytes of an image's compressed layers in the registry; 0 if it is not there."""
    repository, _, digest = reference.removeprefix(f"{registry}/").partition("@")
    return sum(layer["size"] for layer in ask_registry(registry, f"{repository}/manifests/{digest}").get("layers", []))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A text table; each column is as wide as its widest cell."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    )
    return "\n".join(lines)


def image_size(registry: str, reference: str, sizes: Mapping[str, int]) -> str:
    """An image's size in the engine or, if it is not there, in the local registry."""
    if reference in sizes:
        return f"{sizes[reference] / 1e6:.0f} MB"
    if not reference.startswith(f"{registry}/"):
        return "not in the engine"
    return f"{registry_size(registry, reference) / 1e6:.1f} MB (registry)"


class Before(TypedDict):
    """A deployed image, before a deployment."""

    reference: str
    size: str


def snapshot(outputs: Mapping[str, Any], registry: str) -> dict[str, Before]:
    """The images of the last deployment by their names; none of a stack that was never deployed."""
    references = {name: facts["reference"] for name, facts in outputs.get("images", {}).items()}
    sizes = engine_sizes(list(references.values())) if references else {}
    return {
        name: {"reference": reference, "size": image_size(registry, reference, sizes)}
        for name, reference in references.items()
    }


def image_table(images: Mapping[str, Mapping[str, str]], registry: str, snapshot_before: Mapping[str, Before]) -> str:
    """Every image, and whether it changed. Only the local registry is asked: another may want TLS and a login."""
    sizes = engine_sizes([facts["reference"] for facts in images.values()])
    rows = []
    for name, facts in images.items():
        size = image_size(registry, facts["reference"], sizes)
        before = snapshot_before.get(name)
        change = "new" if before is None else "unchanged" if before["reference"] == facts["reference"] else "changed"
        # Sizes in the engine and in the registry do not compare: only the registry compresses.
        if before is not None and before["size"] != size and comparable(before["size"], size):
            size += f", was {before['size']}"
        rows.append([name, size, facts["digest"], change])
    return table(["image", "size", "digest", "this time"], rows)


def comparable(one: str, other: str) -> bool:
    """Whether two sizes were measured in the same place."""
    return one.split(" ", 2)[1:] == other.split(" ", 2)[1:]


def print_tables(outputs: Mapping[str, Any], registry: str, before: Mapping[str, Before]) -> None:
    """Both tables, a blank line before each."""
    services = outputs["services"]
    print("\n" + image_table(outputs["images"], registry, before))
    found = containers(services)
    rows = [[name, found[name].state, facts["logs"]] for name, facts in services.items()]
    print("\n" + table(["service", "health", "log"], rows) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
