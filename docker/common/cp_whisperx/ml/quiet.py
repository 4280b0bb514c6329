"""Libraries that tell their users' programs more than a reader of the log wants while they are loaded."""

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
    """Keeps warnings, plain output and the notes of talkative libraries out of the log while the block runs.

    pyannote prints that models made by older versions may do bad things, which they do not: the versions are locked.
    Errors are raised as ever.
    """
    # matplotlib, which pyannote imports, complains where it cannot write beside the shared models.
    os.environ.setdefault("MPLCONFIGDIR", f"{tempfile.gettempdir()}/matplotlib")
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
