"""The host's own Python environment: what stops a worker before it imports anything, and what does not."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cp_whisperx.errors import StageError
from cp_whisperx.native_environment import HUB_SERIES, SERIES, check_native_environment
from harness import COMMON

HERE = sys.version_info[:2]
LOCK = COMMON.parent / "base-ml" / "requirements.cuda.lock"
VERSIONS = {name: f"{series}.1" for name, series in (SERIES | HUB_SERIES).items()}


def packages_of(folder: Path) -> Path:
    return folder / "lib" / f"python{HERE[0]}.{HERE[1]}" / "site-packages"


def add_package(folder: Path, name: str, version: str) -> None:
    """A package as pip leaves it, with one compiled file: that of the Python that runs this test."""
    package = packages_of(folder) / name.replace(".", "/")
    (package / "lib").mkdir(parents=True)
    (package / "__init__.py").write_text(f"__version__ = {version!r}\n")
    noted_version(folder, name, version).mkdir()
    head = Path(sys.executable).resolve().read_bytes()[:64]
    (package / "lib" / "compiled.so").write_bytes(head)


def noted_version(folder: Path, name: str, version: str) -> Path:
    """Where the installer notes a version; today's installers write pyannote_audio for pyannote.audio."""
    return packages_of(folder) / f"{name.replace('.', '_')}-{version}.dist-info"


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real environment of this Python with small packages in it."""
    folder = tmp_path_factory.mktemp("native") / "env"
    venv.create(folder, with_pip=False)
    for name, version in VERSIONS.items():
        add_package(folder, name, version)
    return folder


@pytest.fixture
def environment(complete: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    return Path(shutil.copytree(complete, tmp_path / "bollyenv", symlinks=True))


def problem(folder: Path, *, hub: bool = False) -> str:
    with pytest.raises(StageError) as error:
        check_native_environment(folder, hub=hub)
    assert "make native-environment" in error.value.way_out
    assert str(folder) in error.value.reason
    return error.value.reason


def test_a_complete_environment_is_fine(environment: Path) -> None:
    check_native_environment(environment)
    check_native_environment(environment, hub=True)


@pytest.mark.parametrize("line", ["version_info = 3.11.9.final.0", "version_info=3.11.9"])
def test_what_uv_and_virtualenv_write_is_read(environment: Path, line: str) -> None:
    (environment / "pyvenv.cfg").write_text(f"home = /usr/bin\n{line}\nversion_of_prompt = 9.9\n")
    check_native_environment(environment, (3, 11))


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: shutil.rmtree(packages_of(folder) / name.replace(".", "/"))


def other_version(name: str, version: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        noted_version(folder, name, VERSIONS[name]).rename(noted_version(folder, name, version))

    return spoil


def other_processor(folder: Path) -> None:
    compiled = packages_of(folder) / "torch" / "lib" / "compiled.so"
    head = bytearray(compiled.read_bytes())
    head[18:20] = (243).to_bytes(2, "little")
    compiled.write_bytes(head)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, "is missing"),
        (empty, "is missing"),
        (lambda folder: (folder / "pyvenv.cfg").unlink(), "has no pyvenv.cfg"),
        (lambda folder: (folder / "pyvenv.cfg").write_text("version = 3.12.4\n"), "was created by Python 3.12"),
        (lambda folder: (folder / "pyvenv.cfg").write_text("home = x\n"), "was created by an unknown Python"),
        (lambda folder: shutil.rmtree(folder / "lib"), "lacks numpy, torch, torchaudio, ctranslate2"),
        (remove("torch"), "lacks torch in"),
        (remove("numpy"), "lacks numpy in"),
        (remove("ctranslate2"), "lacks ctranslate2 in"),
        (other_version("torch", "2.10.0"), "has torch 2.10.0, and this image needs torch 2.8"),
        (other_version("torch", "2.80.0"), "has torch 2.80.0"),
        (other_version("numpy", "1.26.4"), "has numpy 1.26.4"),
        (other_processor, "is for the CPU architecture unknown (243)"),
    ],
)
def test_what_is_wrong_is_said(environment: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(environment)
    assert said in problem(environment)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove("pyannote.audio"), "lacks pyannote.audio in"),
        (remove("transformers"), "lacks transformers in"),
        (
            other_version("pyannote.audio", "4.0.1"),
            "has pyannote.audio 4.0.1, and this image needs",
        ),
        (other_version("transformers", "5.0.0"), "has transformers 5.0.0"),
        (remove("torch"), "lacks torch in"),
    ],
)
def test_what_models_of_the_hub_need_is_looked_for_where_there_are_any(
    environment: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(environment)
    assert said in problem(environment, hub=True)
    if "torch" not in said:
        check_native_environment(environment)


def test_an_older_installers_way_to_note_a_version_is_read(environment: Path) -> None:
    noted = noted_version(environment, "pyannote.audio", VERSIONS["pyannote.audio"])
    noted.rename(noted.with_name("pyannote.audio-4.0.1.dist-info"))
    assert "has pyannote.audio 4.0.1" in problem(environment, hub=True)


def test_a_local_version_is_of_its_series(environment: Path) -> None:
    other_version("torch", "2.8.0+cu128")(environment)
    check_native_environment(environment)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_an_environment_that_only_its_owner_can_read_is_said(complete: Path) -> None:
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        environment = Path(shutil.copytree(complete, Path(place) / "bollyenv", symlinks=True))
        environment.chmod(0o700)
        assert "cannot be read by user 1000" in said_to_another_user(environment)


def said_to_another_user(environment: Path) -> str:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from cp_whisperx.native_environment import check_native_environment;"
        "import os; os.setuid(1000); check_native_environment(Path(sys.argv[2]))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, str(COMMON), str(environment)], capture_output=True, text=True, check=False
    ).stderr


def test_the_series_are_those_of_the_lock() -> None:
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\d+\.\d+)", LOCK.read_text(), re.MULTILINE))
    series = SERIES | HUB_SERIES
    assert {name: locked[name.replace(".", "-")] for name in series} == series


def start(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Starts a stage that imports torch and says which one it got."""
    (folder / "stage").mkdir(exist_ok=True)
    (folder / "stage" / "fake_hub_stage.py").write_text(
        "import sys, torch\nprint(__name__, torch.__version__, sys.argv[1:])\n"
    )
    path = f"{COMMON}:{folder / 'stage'}:{packages_of(folder / 'bollyenv')}"
    return subprocess.run(
        [sys.executable, "-m", "cp_whisperx.start", "fake_hub_stage", "worker", "--flag"],
        env={**os.environ, "PYTHONPATH": path, "NATIVE_ENVIRONMENT": str(folder / "bollyenv"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_stage_starts_with_the_libraries_of_the_host(environment: Path) -> None:
    said = start(environment.parent, EXECUTION_MODE="native")
    assert (said.returncode, said.stdout) == (0, f"__main__ {VERSIONS['torch']} ['worker', '--flag']\n")


def test_a_stage_does_not_start_without_them(environment: Path) -> None:
    shutil.rmtree(packages_of(environment) / "torch")
    said = start(environment.parent, EXECUTION_MODE="native")
    assert said.returncode == 1
    assert said.stderr.startswith("fake_hub_stage cannot start: The host's Python environment ")
    assert "lacks torch" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_stage_with_models_of_the_hub_does_not_start_without_their_libraries(environment: Path) -> None:
    shutil.rmtree(packages_of(environment) / "transformers")
    said = start(environment.parent, EXECUTION_MODE="native", MODELS_SOURCE="hub")
    assert said.returncode == 1
    assert "lacks transformers" in said.stderr
    assert start(environment.parent, EXECUTION_MODE="native", MODELS_SOURCE="packaged").returncode == 0


def test_elsewhere_nobody_looks_for_them(environment: Path) -> None:
    shutil.rmtree(packages_of(environment) / "numpy")
    assert start(environment.parent, EXECUTION_MODE="container").returncode == 0
