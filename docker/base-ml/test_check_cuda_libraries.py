"""What the check makes of the loader's answers; the CUDA libraries themselves are there in the build alone."""

import ctypes.util
from pathlib import Path

from check_cuda_libraries import by_name, missing, named, unresolved

LDD = """\
\tlinux-vdso.so.1 (0x00007ffd6d9f5000)
\tlibcublas.so.12 => not found
\tlibcuda.so.1 => not found
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1c0a000000)
"""


def test_the_drivers_library_may_be_missing_and_no_other() -> None:
    assert missing(LDD) == ["libcublas.so.12"]


def test_a_library_that_does_not_load_is_told() -> None:
    (sentence,) = by_name(["libno-such-library.so.12"], Path("/"))
    assert sentence.startswith("libno-such-library.so.12 does not load by its name: ")


def test_a_library_of_another_place_is_told() -> None:
    assert list(by_name(["libc.so.6"], Path("/"))) == []
    (sentence,) = by_name(["libc.so.6"], Path("/opt/venv"))
    assert sentence.startswith("libc.so.6 is not that of the packages: /")


def test_a_complete_shared_object_is_in_order() -> None:
    name = ctypes.util.find_library("c")
    assert name is not None
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    path = next(Path(word) for word in maps.split() if Path(word).name == name)
    assert list(unresolved([path])) == []


def test_a_library_that_names_what_was_left_out_is_told(tmp_path: Path) -> None:
    library = tmp_path / "libtorch_cuda.so"
    library.write_bytes(b"\0libcusolver.so.11\0")
    assert list(named(["libcusolverMg"], [library])) == []
    library.write_bytes(b"\0libcusolver.so.11\0libcusolverMg.so.11\0")
    assert list(named(["libcusolverMg"], [library])) == [f"{library} names libcusolverMg, which this image leaves out"]
