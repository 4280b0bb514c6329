"""`python -m cp_whisperx.start MODULE ARGUMENT...`: starts a stage, after a look at what its libraries will come from.

With EXECUTION_MODE=native those that the image lacks are the host's, mounted at /app/.bollyenv (NATIVE_ENVIRONMENT
names another place), and where they are not fit a stage's first import would end in words that help nobody.
"""

import os
import runpy
import sys
from pathlib import Path

from cp_whisperx.errors import StageError
from cp_whisperx.native_environment import PLACE, check_native_environment


def main(arguments: list[str]) -> None:
    """Runs the module named first with the other arguments; exits with 1 where the host's environment is not fit."""
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
