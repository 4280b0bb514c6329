"""What libraries say while they are loaded."""

import logging
import warnings

import pytest

from cp_whisperx.ml.quiet import quietly


def test_what_a_library_prints_and_warns_of_stays_out_of_the_log(
    capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    with quietly():
        print("Bad things might happen.")  # noqa: T201 - as pyannote does
        warnings.warn("This will change.", stacklevel=1)
        logging.getLogger("pytorch_lightning.utilities").info("upgraded your checkpoint")
    print("after")  # noqa: T201 - is heard again
    assert capsys.readouterr().out == "after\n"
    assert list(recwarn) == []


def test_an_error_is_raised_as_ever() -> None:
    with pytest.raises(ValueError, match="damaged"), quietly():
        raise ValueError("damaged")
