"""Imports what an image's programs import, so that a build without a library fails, and no worker does.

import_modules.py [VARIANT[,VARIANT...]:]MODULE...: a module with variants is for those alone; the environment's VARIANT
says which one is built, cpu where it is not set.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module


def wanted(arguments: Iterable[str], variant: str) -> Iterator[str]:
    """The modules of one variant."""
    for argument in arguments:
        variants, _, module = argument.rpartition(":")
        if not variants or variant in variants.split(","):
            yield module


def problem(module: str) -> str | None:
    """Why the module cannot be imported, or None."""
    try:
        import_module(module)
    except Exception as error:  # noqa: BLE001 - a module may fail with anything while it loads
        return f"{module}: {type(error).__name__}: {error}"
    return None


def main(arguments: Iterable[str], variant: str) -> int:
    """Prints what cannot be imported; 1 where there is anything."""
    problems = [found for module in wanted(arguments, variant) if (found := problem(module)) is not None]
    for found in problems:
        print(f"import-modules: variant {variant} cannot import {found}", file=sys.stderr)  # noqa: T201 - the build's log
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ.get("VARIANT", "cpu")))
