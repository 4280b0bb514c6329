"""Checks, without a GPU, that the loader finds the CUDA libraries of the Python packages by their bare names.

torch knows where its packages put them. ctranslate2 does not: it opens cuBLAS by name when a model is first used on a
GPU, and its own copy of cuDNN's front opens cuDNN's parts by name when a convolution is first computed. Neither shows
on a machine without a GPU, unless it is asked for, as here.

check_cuda_libraries.py NAME...: also checks that no library names those, which the image leaves out.
"""

import ctypes
import mmap
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("platlib"))
OPENED_BY_NAME = (
    "libcudart.so.12",
    "libcublasLt.so.12",
    "libcublas.so.12",
    "libnvrtc.so.12",
    "libcudnn_graph.so.9",
    "libcudnn_ops.so.9",
    "libcudnn_cnn.so.9",
    "libcudnn_adv.so.9",
    "libcudnn.so.9",
)
"""What ctranslate2 and cuDNN open by name, each after those it needs: none comes in with another."""
OF_THE_HOST = frozenset({"libcuda.so.1", "libnvidia-ml.so.1", "libibverbs.so.1", "librdmacm.so.1", "libmlx5.so.1"})
"""What the host's driver brings, or its InfiniBand, which cuFile asks for in vain elsewhere."""
LIBRARIES = ("ctranslate2/*.so", "nvidia/*/lib/*.so*", "torch/lib/*.so*")
"""Where the libraries lie that compute on a GPU."""
BEHIND = ("ctranslate2.libs/*.so*",)
"""Those that only ctranslate2 itself finds."""
DESCRIPTORS = ("cudnnCreateTensorDescriptor", "cudnnCreateConvolutionDescriptor")
"""Calls of cuDNN that need no GPU, one for each of the parts that ctranslate2 uses."""


def by_name(names: Iterable[str], folder: Path) -> Iterator[str]:
    """A sentence for each library that does not load by its name, or is another than that of the packages."""
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError as error:
            yield f"{name} does not load by its name: {error}"
            continue
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
        loaded = {path for path in re.findall(r"\s(/\S+)$", maps, re.MULTILINE) if Path(path).name == name}
        if not any(Path(path).is_relative_to(folder) for path in loaded):
            yield f"{name} is not that of the packages: {', '.join(sorted(loaded)) or 'another name'}"


def missing(ldd: str) -> list[str]:
    """The libraries that ldd did not find, without the host's."""
    return [name for name in re.findall(r"^\s*(\S+) => not found$", ldd, re.MULTILINE) if name not in OF_THE_HOST]


def unresolved(libraries: Iterable[Path]) -> Iterator[str]:
    """A sentence for each shared object which needs a library that the loader does not find."""
    for library in libraries:
        found = subprocess.run(["/usr/bin/ldd", library], capture_output=True, text=True, check=True)  # noqa: S603
        if names := missing(found.stdout):
            yield f"{library} needs {', '.join(names)}, which the loader does not find"


def unusable(front: Path) -> Iterator[str]:
    """A sentence for each of cuDNN's parts that ctranslate2's copy of its front cannot use."""
    library = ctypes.CDLL(str(front))
    for call in DESCRIPTORS:
        status = library[call](ctypes.byref(ctypes.c_void_p()))
        if status != 0:
            yield f"{front.name}: {call} answers {status}"


def named(names: Iterable[str], libraries: Iterable[Path]) -> Iterator[str]:
    """A sentence for each name that stands in a library; opened while it runs, it would be missed only then."""
    for library in libraries:
        with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for name in names:
                if content.find(name.encode()) >= 0:
                    yield f"{library} names {name}, which this image leaves out"


def problems(left_out: Iterable[str]) -> Iterator[str]:
    """Everything that is wrong."""
    yield from by_name(OPENED_BY_NAME, PACKAGES / "nvidia")
    objects, behind = (sorted(chain.from_iterable(map(PACKAGES.glob, patterns))) for patterns in (LIBRARIES, BEHIND))
    fronts = sorted(PACKAGES.glob("ctranslate2.libs/libcudnn-*.so*"))
    if not objects or not fronts:
        yield f"{PACKAGES} lacks ctranslate2, its copy of cuDNN's front, or torch"
    yield from unresolved(objects)
    yield from named(left_out, [*objects, *behind])
    for front in fronts:
        yield from unusable(front)


def main(left_out: Iterable[str]) -> int:
    """Prints what is wrong; 1 where there is anything."""
    found = list(problems(list(left_out)))
    for sentence in found:
        print(f"check_cuda_libraries: {sentence}", file=sys.stderr)  # noqa: T201 - the build's log
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
