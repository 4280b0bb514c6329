"""Cleans up after an interrupted deployment. FILE is the output of `pulumi stack export`.

`recovery.py FILE` removes the pending operations from the file; the next deployment repeats them.
`recovery.py FILE STACK` removes the stack's containers and networks that the state does not contain from the engine,
because their names would conflict with those of the next deployment.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def remove_pending(file: Path) -> None:
    """Removes the pending operations from the file."""
    state = json.loads(file.read_text(encoding="utf-8"))
    pending = state["deployment"].pop("pending_operations", None) or []
    file.write_text(json.dumps(state), encoding="utf-8")
    for operation in pending:
        print(f"was pending: {operation['resource']['urn'].rsplit('::', 1)[-1]}")


def clean_engine(file: Path, stack: str) -> None:
    """Removes the stack's containers and networks that the state does not contain."""
    known = known_ids(json.loads(file.read_text(encoding="utf-8")))
    label = f"label=cp-whisperx.stack={stack}"
    remove_unknown(
        ["ps", "--all", "--no-trunc", "--filter", label, "--format", "{{.ID}} {{.Names}}"], ["rm", "--force"], known
    )
    names = f"name=^cp-whisperx-{stack}-(inside|outside)$"
    remove_unknown(
        ["network", "ls", "--no-trunc", "--filter", names, "--format", "{{.ID}} {{.Name}}"], ["network", "rm"], known
    )


def known_ids(state: dict[str, Any]) -> set[str]:
    """The ids of all resources in a state."""
    return {resource["id"] for resource in state["deployment"].get("resources") or [] if "id" in resource}


def docker(*arguments: str) -> str:
    """The standard output of a docker command."""
    return subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def remove_unknown(listing: list[str], removal: list[str], known: set[str]) -> None:
    """Removes what the engine lists and the state does not contain."""
    for line in docker(*listing).splitlines():
        identifier, name = line.split(" ", 1)
        if identifier not in known:
            print(f"removing {name}, which the state does not contain")
            docker(*removal, identifier)


if __name__ == "__main__":
    if sys.argv[2:]:
        clean_engine(Path(sys.argv[1]), sys.argv[2])
    else:
        remove_pending(Path(sys.argv[1]))
