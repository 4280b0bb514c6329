"""Silences libraries that print or log too much while they are loaded."""

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from typing import Final

_TALKATIVE: Final = ("lightning", "lightning.pytorch", "lightning_fabric", "pytorch_lightning", "speechbrain")


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Suppresses warnings, prints and info messages of libraries while the block runs. Errors are raised as usual.

    pyannote warns that models from older versions may misbehave; the versions are locked, so this does not apply.
    """
    # matplotlib, which pyannote imports, warns if it cannot write next to the shared models.
    os.environ.setdefault("MPLCONFIGDIR", f"{tempfile.gettempdir()}/matplotlib")
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
