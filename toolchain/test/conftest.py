"""Fixtures of the toolchain's tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A separate machine for every test."""
    return Shell(tmp_path)


@pytest.fixture
def short_shell() -> Iterator[Shell]:
    """A machine with paths short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="cpw-"))
    yield Shell(folder)
    shutil.rmtree(folder)
