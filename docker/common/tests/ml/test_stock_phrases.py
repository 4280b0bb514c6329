"""What Whisper invents is known, and what people say in films is not taken for it."""

import pytest

from cp_whisperx.ml.stock_phrases import is_stock_phrase


@pytest.mark.parametrize(
    "text",
    [
        "Thanks for watching!",
        " Thank you so much for watching. Thanks for watching!",
        "Please subscribe to my channel.",
        "Don't forget to like and subscribe!",
        "See you in the next video.",
        "Subtitles by the Amara.org community",
        "Untertitel im Auftrag des ZDF für funk, 2017",
        "Sous-titres réalisés par la communauté d'Amara.org",
        "Sottotitoli e revisione a cura di QTSS",
        "Субтитры сделал DimaTorzok",
        "ご視聴ありがとうございました",
        "देखने के लिए धन्यवाद",
        "ご視聴ありがとうございました。",
        "ご視聴ありがとうございました。ご視聴ありがとうございました。",
        "देखने के लिए धन्यवाद।",
        "字幕由Amara.org社区提供",
        "Untertitelung des ZDF, 2020",
        "Sous-titrage Société Radio-Canada",
        "Transcription by CastingWords",
        "Subscribe for more videos!",
        "www.mooji.org",
        "Please like and subscribe to our channel!",
        "[Music]",
        "♪♪♪",
        "...",
    ],
)
def test_what_whisper_invents(text: str) -> None:
    assert is_stock_phrase(text)


@pytest.mark.parametrize(
    "text",
    [
        "Thank you.",
        "Thank you, Priya. Please tell Captain Rao that we will meet him.",
        "Thanks for watching the children.",
        "Thanks for watching! I owe you one.",
        "I always read the subtitles by candlelight.",
        "We subscribe to the Times of India.",
        "Subscribe to my dreams.",
        "Captions by me, you fool.",
        "字幕が読めない。",
        "ご視聴ありがとうございました。さようなら。",
        "Bye.",
        "Amara, come here!",
        "He said (quietly) that he would come.",
    ],
)
def test_what_people_say(text: str) -> None:
    assert not is_stock_phrase(text)
