"""Phrases that Whisper hallucinates in silence: lines of the subtitles that it was trained on.

From Barański and others, Investigation of Whisper ASR Hallucinations Induced by Non-Speech Audio (ICASSP 2025), and the
reports in github.com/openai/whisper/discussions/928. Only a whole stretch of text counts: a character may
thank somebody.
"""

import re
from typing import Final

_CREDITS: Final = (
    r"(subtitles|captions|transcription|untertitel\w*|sous-titr\w*|sottotitoli|subt[ií]tulos|legendas|ondertitel\w*"
    r"|napisy|субтитры) "
    r"(by|von|der|im auftrag|par|pour|réalisés|creati|e revisione|a cura|di|por|pela|realizados|ingediend|door"
    r"|stworzone|сделал|создавал|подогнал)\b.{0,60}"
)
_PHRASES: Final = (
    r"(thank you|thanks)( so much| very much)? for (watching|viewing)( (this|my|our|the) (video|channel))?",
    r"(please,? |don't forget to |like |and )*subscribe( (to|for) (my|our|the|this|more)\b.{0,40})?",
    r"see you (in the next|next) (video|episode)",
    r".{0,60}\bamara\.?org\b.{0,40}",
    _CREDITS,
    r"www\.\S+",
    r"देखने के लिए धन्यवाद",
    r"ご視聴ありがとうございました|字幕.{0,20}",
    r"시청해 ?주셔서 감사합니다",
    r"[\[(*][^\])*]*[\])*]",
    r"\W+",
)
"""In addition to the phrases: a noise in brackets, and notes or dots without a letter."""
_STOCK: Final = re.compile("|".join(_PHRASES), re.IGNORECASE)


def is_stock_phrase(text: str) -> bool:
    """Whether a segment consists of such phrases only, once or several times."""
    sentences = [part.strip(" .!…") for part in re.split(r"(?<=[.!?…])\s+", text.strip())]
    return all(_STOCK.fullmatch(part) for part in sentences if part)
