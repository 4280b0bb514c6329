"""Resemblyzer's speaker encoder as ONNX: sound in, 256 numbers that describe the voice out.

The architecture: three LSTM layers over 40 mel bands, a linear layer, a vector of length 1
(https://arxiv.org/abs/1710.10467). The mel bands are part of the model, so that a stage needs no code for them: they
are those of librosa.feature.melspectrogram with n_fft=400, hop_length=160, n_mels=40, without its padding.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from checkpoint import Weights, read_weights
from onnx_graph import Graph, below, layers_of

_SAMPLE_RATE: Final = 16_000
_FRAME: Final = 400
_HOP: Final = 160
_BANDS: Final = 40


def convert(checkpoint: Path, target: Path) -> None:
    """Writes the model of a Resemblyzer checkpoint to `target`."""
    write_model(read_weights(checkpoint, "model_state"), target)


def write_model(weights: Weights, target: Path) -> None:
    """Writes the model with these weights, named as in Resemblyzer."""
    graph = Graph()
    frames = graph.node("Transpose", _mel_bands(graph), perm=[1, 0, 2])
    recurrent = below(weights, "lstm.")
    _, state = graph.lstm(frames, recurrent, layers=layers_of(recurrent, "weight_ih_l"), bidirectional=False)
    last = graph.node("Squeeze", state, graph.constant(np.array([0], np.int64)))
    linear = [graph.constant(weights[f"linear.{part}"]) for part in ("weight", "bias")]
    voice = graph.node("Relu", graph.node("Gemm", last, *linear, transB=1))
    length = graph.node("ReduceL2", voice, axes=[1], keepdims=1)
    unit = graph.node("Div", voice, graph.node("Max", length, graph.constant(np.array(1e-9, np.float32))))
    facts = {"source": "Resemblyzer", "licence": "Apache-2.0"}
    graph.save(target, ("sound", ["batch", "samples"]), (unit, "voice", ["batch", len(weights["linear.bias"])]), facts)


def _mel_bands(graph: Graph) -> str:
    """The power in each mel band: batch x frames x bands."""
    signal = graph.node("Unsqueeze", "sound", graph.constant(np.array([1], np.int64)))
    waves = graph.node("Conv", signal, graph.constant(fourier_waves()), strides=[_HOP])
    squared = graph.node("Mul", waves, waves)
    bands = np.tile(mel_filters(), 2)[:, :, None]
    return graph.node("Transpose", graph.node("Conv", squared, graph.constant(bands)), perm=[0, 2, 1])


def fourier_waves() -> NDArray[np.float32]:
    """Cosines, then sines, of a discrete Fourier transform under a Hann window: waves x 1 x samples."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)
    angles = 2 * np.pi * np.outer(np.arange(_FRAME // 2 + 1), np.arange(_FRAME)) / _FRAME
    return np.asarray(np.concatenate([np.cos(angles), np.sin(angles)])[:, None] * window, np.float32)


def mel_filters() -> NDArray[np.float32]:
    """Triangles of equal area, bands x frequencies, as librosa.filters.mel(sr=16000, n_fft=400, n_mels=40)."""
    frequencies = np.linspace(0, _SAMPLE_RATE / 2, _FRAME // 2 + 1)
    edges = _hertz(np.linspace(0, _mel(_SAMPLE_RATE / 2), _BANDS + 2))
    lower, centre, upper = (edges[start : start + _BANDS, None] for start in range(3))
    rising, falling = (frequencies - lower) / (centre - lower), (upper - frequencies) / (upper - centre)
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None) * 2 / (upper - lower), np.float32)


def _mel(hertz: float) -> float:
    """Slaney's mel scale above 1000 Hz: logarithmic, 27 steps for a factor of 6.4."""
    return float(15 + 27 * np.log(hertz / 1000) / np.log(6.4))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The other way round, with its linear part below 1000 Hz."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))  # noqa: PLR2004
