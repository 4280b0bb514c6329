"""The stages that listen, one after the other on the sample film, with the packaged models."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from faster_whisper import decode_audio
from rapidfuzz.distance import Levenshtein

import asr
import diarization
import lyrics_detection
import post_ner
import pyannote_vad
import second_pass_translation
import silero_vad
from cp_whisperx.contract import (
    AsrResult,
    DiarizationResult,
    LyricsResult,
    PostNerResult,
    SpokenSegment,
    StageResult,
)
from cp_whisperx.ml.intervals import overlap
from cp_whisperx.stage import Skip
from cp_whisperx_testing import context_for
from sounds import job_with_sound, needs_models

SAMPLES = Path(__file__).parents[4] / "samples"
(FILM,) = SAMPLES.glob("*.mp4")

pytestmark = needs_models


@pytest.fixture(scope="module")
def reference() -> Any:
    return json.loads((SAMPLES / "reference.json").read_text())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[type, Any]:
    """What each stage made of the sample."""
    folder, demuxed = job_with_sound(
        tmp_path_factory.mktemp("jobs") / "sample", decode_audio(str(FILM), sampling_rate=16_000)
    )
    found: list[StageResult] = [demuxed]
    for program in (silero_vad, pyannote_vad, diarization, asr, lyrics_detection, post_ner):
        stage: Any = program.STAGE
        found.append(stage.run(context_for(folder, stage.settings(), tuple(found))))
        (folder / "output").rmdir()
    return {type(result): result for result in found}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower().replace("mister", "mr"))


def best_line(reference: Any, segment: SpokenSegment) -> Any:
    return max(
        reference["segments"],
        key=lambda line: overlap((segment.start, segment.end), (line["start"], line["end"])),
    )


def test_at_most_15_in_100_words_are_wrong(results: dict[type, Any], reference: Any) -> None:
    text: PostNerResult = results[PostNerResult]
    expected = words(" ".join(line["text"] for line in reference["segments"]))
    heard = words(" ".join(segment.text for segment in text.segments))
    assert Levenshtein.distance(expected, heard) / len(expected) <= 0.15


def test_two_speakers_are_told_apart(results: dict[type, Any], reference: Any) -> None:
    found: DiarizationResult = results[DiarizationResult]
    text: AsrResult = results[AsrResult]
    assert len(found.speakers) == 2
    pairs = {(segment.speaker, best_line(reference, segment)["speaker"]) for segment in text.segments}
    assert len(pairs) == 2


def test_music_is_found_where_it_is(results: dict[type, Any], reference: Any) -> None:
    found: LyricsResult = results[LyricsResult]
    assert [span.kind for span in found.segments] == ["music", "music"]
    for span, expected in zip(found.segments, reference["music"], strict=True):
        assert span.start == pytest.approx(expected["start"], abs=1.5)
        assert span.end == pytest.approx(expected["end"], abs=1.5)
        assert span.confidence > 0.5


def test_words_have_times_in_order_within_their_segment(results: dict[type, Any]) -> None:
    text: AsrResult = results[AsrResult]
    assert text.language == "en"
    for segment in text.segments:
        starts = [word.start for word in segment.words]
        assert starts == sorted(starts)
        assert segment.start == starts[0]
        assert segment.end == segment.words[-1].end


def test_english_is_not_translated_into_english(results: dict[type, Any], tmp_path: Path) -> None:
    folder, _ = job_with_sound(tmp_path / "job", decode_audio(str(FILM), sampling_rate=16_000)[:16_000])
    stage = second_pass_translation.STAGE
    with pytest.raises(Skip, match="TARGET_LANGUAGE=en"):
        stage.run(context_for(folder, stage.settings(), (results[AsrResult],)))
