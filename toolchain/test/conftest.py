"""Fixtures of the toolchain's tests."""

from pathlib import Path

import pytest

from shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A machine of its own for every test."""
    return Shell(tmp_path)
