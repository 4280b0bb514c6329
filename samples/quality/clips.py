"""Clips shaped like films: dialogue under a score, 5.1 sound, a song, quick replies, and music alone.

The voices are Debian's flite (`apt-get install ffmpeg flite`), the music is computed. The same program gives the same
clips every time, each with the truth about it: who says what when, and where somebody sings.
"""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.io import wavfile

Sound = npt.NDArray[np.float32]

RATE: Final = 16_000
SPEECH: Final = 0.08
"""Root mean square of speech, -22 dB: dialogue in films is mixed at about -24 to -20 dB."""
SILENT: Final = 0.01
VOICES: Final = {"Priya": "slt", "Sharma": "rms"}
ROOTS_HZ: Final = (220.0, 174.6, 261.6, 196.0)
CHORD: Final = (1.0, 1.26, 1.5, 2.0)
MELODY_HZ: Final = (220, 247, 262, 294, 330, 294, 262, 247)
BAR: Final = 1.5
"""Seconds."""

STORY: Final = (
    ("Priya", "Good evening, Inspector Sharma. The train from Mumbai has just arrived at Victoria station."),
    ("Sharma", "Thank you, Priya. Please tell Captain Rao that we will meet him near the old lighthouse."),
    ("Priya", "He went to Delhi on Monday with a heavy bag and a map of the river."),
    ("Sharma", "Then somebody from London must have warned him. We need to find the missing letter tonight."),
    ("Priya", "I saw the gardener hide it under the wooden table in the library."),
)
REPLIES: Final = (
    ("Sharma", "Did you see the man who took the letter from the table last night?"),
    ("Priya", "Yes."),
    ("Sharma", "Was he alone when he came back to the house in the morning?"),
    ("Priya", "No."),
    ("Sharma", "Then there must have been somebody else with him in the garden. Do you know her name?"),
    ("Priya", "Certainly."),
    ("Sharma", "Will you tell the captain about it when he asks you tomorrow?"),
    ("Priya", "Never. I promised the gardener that nobody would hear a word of it from me."),
)
SONG: Final = "Moonlight over the silver river carries my heart away to the sea tonight"


@dataclass(frozen=True)
class Line:
    """What somebody says, in seconds."""

    start: float
    end: float
    speaker: str
    text: str


@dataclass(frozen=True)
class Clip:
    """A film and the truth about it."""

    name: str
    film: Path
    lines: tuple[Line, ...] = ()
    songs: tuple[tuple[float, float], ...] = ()


def say(speaker: str, text: str, *settings: str) -> Sound:
    """What flite makes of a text, without the silence around it; the settings are flite's, `name=value`."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        options = [word for setting in settings for word in ("--setf", setting)]
        subprocess.run(["flite", "-voice", VOICES[speaker], *options, "-t", text, "-o", file.name], check=True)
        _, pcm = wavfile.read(file.name)
    speech = pcm.astype(np.float32) / np.float32(32768)
    loud = np.flatnonzero(np.abs(speech) > SILENT)
    return at_level(speech[loud[0] : loud[-1] + 1], SPEECH)


def sing(text: str) -> Sound:
    """A word a note: each held, at the pitch of a melody."""
    notes = [
        say(
            "Priya",
            word,
            f"int_f0_target_mean={MELODY_HZ[index % len(MELODY_HZ)]}",
            "int_f0_target_stddev=0",
            "duration_stretch=2.4",
        )
        for index, word in enumerate(text.split())
    ]
    return np.concatenate(notes)


def at_level(sound: Sound, level: float) -> Sound:
    """The sound at this root mean square."""
    return np.asarray(sound * (level / np.sqrt(np.mean(np.square(sound)))), np.float32)


def dialogue(lines: tuple[tuple[str, str], ...], pause: float) -> tuple[Sound, list[Line]]:
    """The lines one after the other, and where each stands."""
    parts, spoken, at = [silence(1.0)], [], RATE
    for speaker, text in lines:
        voice = say(speaker, text)
        spoken.append(Line(at / RATE, (at + len(voice)) / RATE, speaker, text))
        parts += [voice, silence(pause)]
        at += len(voice) + round(pause * RATE)
    return np.concatenate(parts), spoken


def silence(seconds: float) -> Sound:
    """The faint noise of a quiet room."""
    return np.random.default_rng(3).normal(0, 1e-4, round(seconds * RATE)).astype(np.float32)


def score(seconds: float, level: float, seed: int) -> Sound:
    """Chords with harmonics over a beat."""
    random = np.random.default_rng(seed)
    time = np.arange(round(BAR * RATE)) / RATE
    fade = np.minimum(1, np.minimum(time, BAR - time) * 20)
    bars = [
        sum(
            harmonic**-1.3 * np.sin(2 * np.pi * root * ratio * harmonic * time + random.random() * 6)
            for ratio in CHORD
            for harmonic in range(1, 6)
        )
        * fade
        for root in ROOTS_HZ
    ]
    music = np.resize(np.concatenate(bars), round(seconds * RATE))
    beat = random.normal(0, 2, len(music)) * np.exp(-(np.arange(len(music)) % (RATE * 3 // 8)) / (0.02 * RATE))
    return at_level(np.asarray(music + beat, np.float32), level)


def write(film: Path, channels: list[Sound], layout: str, codec: str) -> Path:
    """A film of a test picture with these channels."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        wavfile.write(file.name, RATE, np.stack(channels, axis=1))
        seconds = len(channels[0]) / RATE
        picture = ["-f", "lavfi", "-i", f"testsrc2=size=160x90:rate=12:duration={seconds}", "-c:v", "mpeg4"]
        shape = f"channelmap=channel_layout={layout},aformat=channel_layouts={layout}"
        sound = ["-i", file.name, "-af", shape, "-ar", "48000", "-c:a", codec]
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *sound[:2], *picture, *sound[2:], film], check=True)
    return film


def under_score(folder: Path) -> Clip:
    """Stereo; a score 12 dB below the dialogue, all the time."""
    voice, lines = dialogue(STORY, 0.5)
    music = [score(len(voice) / RATE, SPEECH / 4, seed) for seed in (1, 2)]
    return Clip("score", write(folder / "score.mkv", [voice + each for each in music], "stereo", "aac"), tuple(lines))


def surround(folder: Path) -> Clip:
    """5.1; the dialogue in the centre, in all other channels a score as loud as it."""
    voice, lines = dialogue(STORY, 0.5)
    left, right, low, back_left, back_right = (score(len(voice) / RATE, SPEECH, seed) for seed in range(1, 6))
    channels = [left, right, voice, low, back_left, back_right]
    return Clip("surround", write(folder / "surround.mkv", channels, "5.1", "ac3"), tuple(lines))


def song(folder: Path) -> Clip:
    """Stereo; somebody sings over music as loud as the voice, then people talk over the end of it."""
    sung = sing(SONG)
    voice, lines = dialogue(STORY[:3], 0.5)
    start, end = 4.0, 4.0 + len(sung) / RATE
    whole = np.concatenate([silence(start), sung, silence(2.0), voice])
    later = end + 2.0
    talked = len(whole) / RATE - later
    music = [
        np.resize(np.concatenate([score(later, SPEECH * 0.7, seed), score(talked, SPEECH / 6, seed)]), len(whole))
        for seed in (1, 2)
    ]
    moved = tuple(Line(line.start + later, line.end + later, line.speaker, line.text) for line in lines)
    film = write(folder / "song.mkv", [whole + each for each in music], "stereo", "aac")
    return Clip("song", film, moved, ((start, end),))


def replies(folder: Path) -> Clip:
    """Mono; questions with answers of one word, 0.25 s apart."""
    voice, lines = dialogue(REPLIES, 0.25)
    return Clip("replies", write(folder / "replies.mkv", [voice], "mono", "aac"), tuple(lines))


def music_alone(folder: Path) -> Clip:
    """Stereo; nobody says a word."""
    return Clip("music", write(folder / "music.mkv", [score(30, SPEECH, seed) for seed in (1, 2)], "stereo", "aac"))


CLIPS: Final = (under_score, surround, song, replies, music_alone)
