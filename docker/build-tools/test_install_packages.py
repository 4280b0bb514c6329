"""The installation step with a double of uv: what it is asked for, and when it is not asked at all."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TOOLS = Path(__file__).parent
UV = '#!/bin/sh\necho "$@ no-build=$UV_NO_BUILD constraint=$UV_BUILD_CONSTRAINT" >>"$UV_CALLS"\n'


@dataclass(frozen=True)
class Build:
    """A build container, as far as the step sees it."""

    folder: Path

    def has(self, name: str, version: str) -> None:
        """The parent image has a package."""
        metadata = self.folder / "site" / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")

    def install(self, lock: str, *modules: str) -> subprocess.CompletedProcess[str]:
        """Runs the step with a lock file of that text."""
        (self.folder / "requirements.lock").write_text(lock, encoding="utf-8")
        return subprocess.run(
            ["sh", self.folder / "tools" / "install-packages", self.folder / "requirements.lock", *modules],
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "PYTHONPATH": str(self.folder / "site"),
                "VIRTUAL_ENV": str(self.folder / "venv"),
                "UV_CALLS": str(self.folder / "calls"),
                "VARIANT": "cuda",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What uv was asked for."""
        file = self.folder / "calls"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.fixture
def build(tmp_path: Path) -> Build:
    tools = tmp_path / "tools"
    shutil.copytree(TOOLS, tools, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    package = tmp_path / "venv" / "package"
    (package / "tests").mkdir(parents=True)
    for name in ("module.py", "module.so.1", "module.h", "module.a"):
        (package / name).touch()
    # Without the packages of this very interpreter.
    for program, text in [
        (tools / "uv", UV),
        (tmp_path / "bin" / "python", f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n'),
    ]:
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
    return Build(tmp_path)


def test_a_child_with_another_torch_fails_before_anything_is_installed(build: Build) -> None:
    build.has("torch", "2.8.0")
    build.has("numpy", "2.0.2")
    result = build.install("numpy==1.26.4 \\\n    --hash=sha256:00\ntorch==2.9.1\n")
    assert result.returncode != 0
    assert "the parent image has numpy 2.0.2, this image's lock file has numpy 1.26.4" in result.stderr
    assert "the parent image has torch 2.8.0, this image's lock file has torch 2.9.1" in result.stderr
    assert "run docker/lock.sh" in result.stderr
    assert build.calls() == []


def test_exactly_the_lock_is_installed_and_checked(build: Build) -> None:
    build.has("numpy", "2.0.2")
    result = build.install("numpy==2.0.2\nscipy==1.17.1\n", "json", "cuda:csv", "cpu:no_such_module")
    assert result.returncode == 0, result.stderr
    lock = build.folder / "requirements.lock"
    assert build.calls() == [
        f"pip sync --require-hashes --compile-bytecode {lock} no-build=1 constraint={lock}",
        f"pip check no-build=1 constraint={lock}",
    ]
    left = sorted(path.name for path in (build.folder / "venv" / "package").iterdir())
    assert left == ["module.py", "module.so.1"]


def test_a_library_that_does_not_load_fails_the_build(build: Build) -> None:
    result = build.install("numpy==2.0.2\n", "cuda:no_such_module")
    assert result.returncode != 0
    assert "variant cuda cannot import no_such_module" in result.stderr
