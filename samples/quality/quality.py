"""Measures the stages on clips shaped like films, with the packaged models: one line of figures for each clip.

`make quality` runs it with the models of the deployed stack. Voices and music are synthetic: the figures compare
one state of the program with another. They say nothing about the share of wrong words in a real film.
"""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any, Final

import pysubs2
from clips import CLIPS, Clip
from rapidfuzz.distance import Levenshtein

import asr
import demux
import diarization
import lyrics_detection
import post_ner
import pyannote_vad
import silero_vad
import subtitle_gen
from cp_whisperx.contract import AsrResult, LyricsResult, SpokenSegment, StageResult
from cp_whisperx.ml.intervals import covered, overlap
from cp_whisperx_testing import context_for, make_job

_MOST: Final = 0.5
"""More with song than without."""
STAGES: Final = (demux, silero_vad, pyannote_vad, diarization, asr, lyrics_detection, post_ner, subtitle_gen)


def subtitled(clip: Clip, folder: Path) -> tuple[dict[type, Any], list[pysubs2.SSAEvent], list[str]]:
    """The results of all stages, the cues, and what the stages warned of."""
    job = make_job(folder, film=clip.film)
    found: list[StageResult] = []
    warnings: list[str] = []
    for program in STAGES:
        stage: Any = program.STAGE
        context = context_for(job, stage.settings(), tuple(found), films_in=clip.film.parent, warn=warnings.append)
        found.append(stage.run(context))
        shutil.move(job / "output", job / stage.name)
    return {type(result): result for result in found}, pysubs2.load(str(job / "subtitle-gen/film.srt")).events, warnings


def words(text: str) -> list[str]:
    """The words as they are compared."""
    return re.findall(r"[a-z0-9']+", text.lower().replace("mister", "mr"))


def wrong_words(clip: Clip, segments: Sequence[SpokenSegment]) -> float:
    """Share of the words of the dialogue that are missing, wrong or too many; what is sung does not count."""
    said = words(" ".join(line.text for line in clip.lines))
    talk = [segment.text for segment in segments if covered((segment.start, segment.end), clip.songs) < _MOST]
    heard = words(" ".join(talk))
    return Levenshtein.distance(said, heard) / len(said) if said else float(len(heard))


def right_speakers(clip: Clip, segments: Sequence[SpokenSegment]) -> float:
    """Share of the lines that go to who said them, by the best naming of the speakers."""
    people = sorted({line.speaker for line in clip.lines})
    labels = sorted({segment.speaker for segment in segments if segment.speaker})
    longest = [_speaker_at((line.start, line.end), segments) for line in clip.lines]
    namings = [dict(zip(order, people, strict=False)) for order in permutations(labels, min(len(labels), len(people)))]
    right = [
        sum(naming.get(label) == line.speaker for label, line in zip(longest, clip.lines, strict=True))
        for naming in namings
    ]
    return max(right, default=0) / len(clip.lines) if clip.lines else 1.0


def _speaker_at(span: tuple[float, float], segments: Sequence[SpokenSegment]) -> str:
    seconds: dict[str, float] = {}
    for segment in segments:
        shared = overlap(span, (segment.start, segment.end))
        seconds[segment.speaker or ""] = seconds.get(segment.speaker or "", 0.0) + shared
    return max(seconds, key=lambda label: seconds[label], default="")


def figures(clip: Clip, results: dict[type, Any], cues: list[pysubs2.SSAEvent]) -> dict[str, str]:
    """What is measured of a clip."""
    segments = results[AsrResult].segments
    marked = [cue for cue in cues if "♪" in cue.text and cue.text != "♪ music ♪"]
    in_song = [cue for cue in marked if covered((cue.start / 1000, cue.end / 1000), clip.songs) >= _MOST]
    spans = [(span.start, span.end) for span in results[LyricsResult].segments if span.kind == "song"]
    sung = sum(end - start for start, end in clip.songs)
    late = [min((abs(cue.start / 1000 - line.start) for cue in cues), default=99.0) for line in clip.lines]
    speeds = [len(cue.plaintext.replace("\n", " ")) / (cue.duration / 1000) for cue in cues]
    return {
        "wrong words": f"{wrong_words(clip, segments):.1%}"
        if clip.lines
        else f"{int(wrong_words(clip, segments))} invented",
        "speakers": f"{right_speakers(clip, segments):.0%}",
        "notes": f"{len(in_song)} of {len(marked)} right",
        "song found": f"{sum(covered(song, spans) * (song[1] - song[0]) for song in clip.songs) / sung:.0%}"
        if sung
        else "-",
        "cues": str(len(cues)),
        "fastest": f"{max(speeds, default=0):.0f} cps",
        "shortest": f"{min((cue.duration for cue in cues), default=0) / 1000:.2f} s",
        "least gap": f"{min((after.start - before.end for before, after in pairwise(cues)), default=0)} ms",
        "start off": f"{max(late, default=0):.2f} s",
    }


def main() -> int:
    """Makes the clips, subtitles them, prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="*", help="names of clips; none: all")
    parser.add_argument("--show", action="store_true", help="print the subtitles as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for make in CLIPS:
            clip = make(Path(folder))
            if asked.clips and clip.name not in asked.clips:
                continue
            results, cues, warnings = subtitled(clip, Path(folder, clip.name))
            print(f"{clip.name}: " + ", ".join(f"{key} {value}" for key, value in figures(clip, results, cues).items()))
            for warning in warnings:
                print(f"  warning: {warning}")
            if asked.show:
                print("\n".join(f"  {cue.start / 1000:7.2f} {cue.end / 1000:7.2f} {cue.text}" for cue in cues))
    return 0


if __name__ == "__main__":
    sys.exit(main())
