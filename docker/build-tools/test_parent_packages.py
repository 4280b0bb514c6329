"""Which lock files would replace a package of the parent image."""

from pathlib import Path

import pytest

from parent_packages import conflicts, locked_versions

PARENT = {"torch": "2.8.0", "numpy": "2.0.2", "nvidia-cublas-cu12": "12.8.4.1", "pyannote-core": "5.0.0"}
LOCKS = sorted(Path(__file__).parents[1].glob("*/requirements*.lock"))


def test_a_lock_that_repeats_the_parents_packages_and_adds_others_is_in_order() -> None:
    assert list(conflicts(PARENT, PARENT | {"librosa": "0.11.0"})) == []


@pytest.mark.parametrize(
    ("name", "version"), [("torch", "2.9.1"), ("numpy", "1.26.4"), ("nvidia-cublas-cu12", "12.1.3.1")]
)
def test_another_version_is_told_beside_the_parents(name: str, version: str) -> None:
    assert list(conflicts(PARENT, PARENT | {name: version})) == [
        f"the parent image has {name} {PARENT[name]}, this image's lock file has {name} {version}"
    ]


@pytest.mark.parametrize("name", ["nvidia-cublas-cu11", "nvidia-cublas"])
def test_the_library_of_another_cuda_is_told_beside_the_parents(name: str) -> None:
    assert list(conflicts(PARENT, PARENT | {name: "11.11.3.6"})) == [
        f"the parent image has nvidia-cublas-cu12 12.8.4.1, this image's lock file adds {name} 11.11.3.6"
    ]


def test_a_package_that_the_lock_leaves_out_is_told() -> None:
    lock = {name: version for name, version in PARENT.items() if name != "torch"}
    assert list(conflicts(PARENT, lock)) == ["the parent image has torch 2.8.0, this image's lock file has none"]


def test_names_are_compared_as_the_package_index_does() -> None:
    lock = "--no-binary b\n# a==1\nPyannote.Core==5.0.0 \\\n    --hash=sha256:00\nuvicorn[standard]==1.2 ; sys == '3'\n"
    assert locked_versions(lock) == {"pyannote-core": "5.0.0", "uvicorn": "1.2"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_pin_of_our_locks_is_read(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert len(locked_versions(text)) == text.count("==") > 0
