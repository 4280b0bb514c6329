"""word-count on a text of two segments."""

from pathlib import Path

from cp_whisperx.cli import schema_text
from cp_whisperx.contract import AsrResult, SpokenSegment
from cp_whisperx_testing import context_for, make_job
from word_count import STAGE, WordCountSettings, run


def test_words_of_all_segments_count(tmp_path: Path) -> None:
    segments = tuple(SpokenSegment(start=at, end=at + 1, text="A letter") for at in range(2))
    heard = AsrResult(language="en", segments=segments, model="none")
    context = context_for(make_job(tmp_path / "job"), WordCountSettings(word_count_shortest=2), (heard,))
    assert run(context).words == 2


def test_the_schema_of_the_settings_is_fresh() -> None:
    assert Path(__file__).with_name("settings.schema.json").read_text() == schema_text(STAGE)
