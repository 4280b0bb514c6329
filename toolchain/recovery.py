"""Cleans the engine after an interrupted deployment: `recovery.py STACK FILE`.

FILE is the output of `pulumi stack export`. Containers and networks of the stack that the state does not contain are
removed, because their names would conflict with those of the next deployment.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def main(stack: str, file: Path) -> None:
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
    main(sys.argv[1], Path(sys.argv[2]))
