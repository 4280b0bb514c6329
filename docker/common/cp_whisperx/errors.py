"""The two ways in which a stage ends without a result, and how they are told.

Imports none of its libraries: health checks and the check of the host's environment start with this module.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class StageError(Exception):
    """What was asked for cannot be done, and trying again would not help.

    `reason` says in one sentence what is wrong, `way_out` what the user can do.
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
    """What to tell the user of an error that only room or rights on the disk can mend; None for any other error."""
    where = f" while writing {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return StageError(f"The disk is full{where}.", "Make room in the folder of finished films, then resume.")
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return StageError(
                f"No right to write{where}: {error.strerror}.",
                "Let user 1000 write to the folder of finished films, then resume.",
            )
        case _:
            return None


def one_line(error: ValidationError) -> str:
    """All that is wrong in one line: each field, what is wrong with it, and the value that was given."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'the whole'}: {fault['msg']}, not {_short(fault['input'])}"
        for fault in error.errors(include_url=False, include_context=False)
    )


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
