"""Errors of the hub, the network and the disk, and their messages."""

import errno
import os
from pathlib import Path

import pytest
import requests
from huggingface_hub.errors import LocalEntryNotFoundError
from urllib3.exceptions import MaxRetryError, NewConnectionError

from hub_errors import Asked, explained, may_pass
from model_list import WantedModel

ASKED = Asked(
    WantedModel(repository="some/model", revision="main"), "https://hub", has_token=False, cache=Path("/models/hub")
)


def unreachable() -> Exception:
    """A broken connection, as huggingface_hub raises it: wrapped into an error of the cache."""
    reason = NewConnectionError("HTTPSConnection('hub')", "Connection refused")  # type: ignore[arg-type]
    inner = requests.ConnectionError(MaxRetryError("pool", "/file?Signature=secret", reason))  # type: ignore[arg-type]
    error = LocalEntryNotFoundError("An error happened while trying to locate the file on the Hub")
    error.__cause__ = inner
    return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (unreachable(), True),
        (requests.exceptions.ChunkedEncodingError("IncompleteRead"), True),
        (requests.exceptions.ReadTimeout(), True),
        (OSError("Consistency check failed"), True),
        (requests.exceptions.SSLError("certificate verify failed"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ValueError("?"), False),
    ],
)
def test_what_may_pass_is_tried_again_and_nothing_else(error: Exception, *, passes: bool) -> None:
    assert may_pass(error) == passes


def test_a_hub_that_stays_busy_while_a_file_is_fetched_is_told_with_its_answer() -> None:
    response = requests.Response()
    response.status_code = 503
    error = LocalEntryNotFoundError("An error happened while trying to locate the file on the Hub")
    error.__cause__ = requests.HTTPError("503 Server Error", response=response)
    assert may_pass(error)
    assert "answered 503 when asked for some/model" in str(explained(error, ASKED))


def test_a_broken_connection_is_told_without_the_address_that_the_hub_signed() -> None:
    said = str(explained(unreachable(), ASKED))
    assert "cannot be reached for some/model" in said
    assert "Connection refused" in said
    assert "Signature" not in said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_it_reports_a_disk_that_fills_up_meanwhile(number: int) -> None:
    said = str(explained(OSError(number, os.strerror(number)), ASKED))
    assert "The disk is full: some/model does not fit into /models/hub." in said
    assert "docker system df" in said


def test_a_cache_that_may_not_be_written_is_told_with_the_setting() -> None:
    said = str(explained(PermissionError(errno.EACCES, "Permission denied", "/models/hub/blobs"), ASKED))
    assert "cannot be written to /models/hub" in said
    assert "setting `user`" in said
