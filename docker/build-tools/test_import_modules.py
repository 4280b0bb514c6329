"""What is imported for which variant, and what is said of a module that is missing."""

import pytest

from import_modules import main, wanted


def test_modules_of_other_variants_are_left_out() -> None:
    arguments = ["numpy", "cuda:torch", "cuda,cuda-slim:whisperx"]
    assert list(wanted(arguments, "cpu")) == ["numpy"]
    assert list(wanted(arguments, "cuda")) == ["numpy", "torch", "whisperx"]
    assert list(wanted(arguments, "cuda-slim")) == ["numpy", "whisperx"]


def test_every_module_that_is_missing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["json", "no_such_one", "cuda:no_such_two", "cpu:no_such_three"], "cuda") == 1
    assert capsys.readouterr().err.splitlines() == [
        "import-modules: variant cuda cannot import no_such_one: ModuleNotFoundError: No module named 'no_such_one'",
        "import-modules: variant cuda cannot import no_such_two: ModuleNotFoundError: No module named 'no_such_two'",
    ]


def test_an_image_with_all_its_modules_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["json", "cuda:no_such_one"], "cpu") == 0
    assert capsys.readouterr().err == ""
