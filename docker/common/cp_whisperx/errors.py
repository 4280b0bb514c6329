"""The two exceptions with which a stage ends without a result, and their messages.

Imports the standard library only: the health check and the check of the host's environment must start quickly.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class StageError(Exception):
    """A permanent failure: retrying would not help.

    `reason` says in one sentence what is wrong, `way_out` how the user can fix it.
    """

    def __init__(self, reason: str, way_out: str) -> None:
        super().__init__(f"{reason} {way_out}")
        self.reason = reason
        self.way_out = way_out


class Skip(Exception):  # noqa: N818 - not an error: there is nothing to do
    """There is nothing for this stage to do; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def disk_error(error: OSError) -> StageError | None:
    """A message for errors that need disk space or write permission to fix; None for any other error."""
    where = f" while writing {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return StageError(f"The disk is full{where}.", "Free disk space for finished films, then resume.")
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return StageError(
                f"Permission denied{where}: {error.strerror}.",
                "Let user 1000 write to the folder of finished films, then resume.",
            )
        case _:
            return None


def one_line(error: ValidationError) -> str:
    """All errors in one line: each field, what is wrong with it, and the value given."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'the whole'}: {fault['msg']}, not {_short(fault['input'])}"
        for fault in error.errors(include_url=False, include_context=False)
    )


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
