"""Says where a lock file would replace a package of the parent image, before anything is installed.

parent_packages.py LOCK_FILE: compares it with what this interpreter has. A child image adds packages and replaces none:
another torch or numpy, or the libraries of another CUDA beside the parent's, would lie in the child a second time.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_BUILD = re.compile(r"-(cu\d+|gpu|cuda\d*)$")
"""What a name ends in where one library is packaged for several versions of CUDA."""


def normalized(name: str) -> str:
    """The name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions(lock: str) -> dict[str, str]:
    """Version by package of a lock file."""
    return {normalized(name): version for name, version in _PIN.findall(lock)}


def conflicts(parent: Mapping[str, str], lock: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each package of the parent that the lock file leaves out, replaces or brings once more."""
    added = {_BUILD.sub("", name): name for name in sorted(lock.keys() - parent.keys())}
    for name, version in sorted(parent.items()):
        if name not in lock:
            yield f"the parent image has {name} {version}, this image's lock file has none"
        elif lock[name] != version:
            yield f"the parent image has {name} {version}, this image's lock file has {name} {lock[name]}"
        other = added.get(_BUILD.sub("", name))
        if other is not None:
            yield f"the parent image has {name} {version}, this image's lock file adds {other} {lock[other]}"


def main(lock_file: str) -> int:
    """Prints each conflict; 1 where there are any."""
    parent = {normalized(one.name): one.version for one in distributions()}
    found = list(conflicts(parent, locked_versions(Path(lock_file).read_text(encoding="utf-8"))))
    for sentence in found:
        print(f"install-packages: {sentence}", file=sys.stderr)  # noqa: T201 - the build's log
    if found:
        print(  # noqa: T201
            "install-packages: a child image replaces none of its parent's packages; pin them in docker/versions.txt, "
            "name the parent's requirements for this lock in docker/lock.sh, and run docker/lock.sh",
            file=sys.stderr,
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
