"""Phrases that Whisper hallucinates in silence: lines of the subtitles that it was trained on.

From Barański and others, Investigation of Whisper ASR Hallucinations Induced by Non-Speech Audio (ICASSP 2025), and the
reports in github.com/openai/whisper/discussions/928. Only a whole stretch of text counts: a character may
thank somebody.
"""

import re
from typing import Final

_CREDITS: Final = (
    r"(subtitles|captions|transcription|untertitel\w*|sous-titr\w*|sottotitoli|субтитры) .{0,40}"
    r"\b(castingwords|red bee media|zdf|ard|swr|wdr|radio-canada|qtss|dimatorzok|симон)\b.{0,30}"
)
"""Only services that Whisper is known to name: a character may read captions by somebody else."""
_PHRASES: Final = (
    r"(thank you|thanks)( so much| very much)? for (watching|viewing)( (this|my|our|the) (video|channel))?",
    r"(please,? |don't forget to |like |and )*subscribe( (to|for) (my|our|the|this) (channel|video)s?\b.{0,20})?",
    r"(please,? |don't forget to |like |and )*subscribe for more\b.{0,40}",
    r"see you (in the next|next) (video|episode)",
    r".{0,60}\bamara\.?org\b.{0,40}",
    _CREDITS,
    r"www\.\S+",
    r"देखने के लिए धन्यवाद",
    r"ご視聴ありがとうございました",
    r"字幕(by|製作|制作|志愿者|由amara).{0,20}",
    r"시청해 ?주셔서 감사합니다",
    r"[\[(*][^\])*]*[\])*]",
    r"\W+",
)
"""In addition to the phrases: a noise in brackets, and notes or dots without a letter."""
_STOCK: Final = re.compile("|".join(_PHRASES), re.IGNORECASE)
_ENDS: Final = " .!?…।。！？"  # noqa: RUF001 - Japanese has its own
_BETWEEN_SENTENCES: Final = re.compile(r"(?<=[.!?…])\s+|(?<=[।。！？])\s*")  # noqa: RUF001


def is_stock_phrase(text: str) -> bool:
    """Whether a segment consists of such phrases only, once or several times."""
    sentences = (part.strip(_ENDS) for part in _BETWEEN_SENTENCES.split(text.strip()))
    return all(_STOCK.fullmatch(part) for part in sentences if part)
