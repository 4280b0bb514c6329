"""`python -m cp_whisperx.start MODULE ARGUMENT...`: starts a stage, after a check of the host's Python environment.

With EXECUTION_MODE=native, libraries that the image lacks come from the host's environment, mounted at /app/.bollyenv
or NATIVE_ENVIRONMENT. Without the check, an unsuitable one would fail at import with an error that does not help.
"""

import os
import runpy
import sys
from pathlib import Path

from cp_whisperx.errors import StageError
from cp_whisperx.native_environment import PLACE, check_native_environment


def main(arguments: list[str]) -> None:
    """Runs the given module with the other arguments; exits with 1 if the host's environment is not suitable."""
    module, *rest = arguments
    if os.environ.get("EXECUTION_MODE") == "native":
        folder = Path(os.environ.get("NATIVE_ENVIRONMENT", PLACE))
        try:
            check_native_environment(folder, hub=os.environ.get("MODELS_SOURCE") == "hub")
        except StageError as error:
            sys.exit(f"{module} cannot start: {error.reason} {error.way_out}")
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
