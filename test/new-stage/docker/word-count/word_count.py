"""word-count: counts the spoken words."""

from typing import Final

from pydantic import Field

from cp_whisperx.cli import main
from cp_whisperx.contract import AsrResult, WordCountResult
from cp_whisperx.stage import Context, Stage, StageSettings


class WordCountSettings(StageSettings):
    """Settings of the stage."""

    word_count_shortest: int = Field(default=1, ge=1, le=20, description="Letters of the shortest word that counts.")


def run(context: Context[WordCountSettings]) -> WordCountResult:
    """Counts the words of all segments."""
    words = [word for segment in context.read(AsrResult).segments for word in segment.text.split()]
    return WordCountResult(words=sum(len(word) >= context.settings.word_count_shortest for word in words))


STAGE: Final = Stage(name="word-count", settings=WordCountSettings, result=WordCountResult, reads=(AsrResult,), run=run)

if __name__ == "__main__":
    main(STAGE)
