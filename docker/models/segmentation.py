"""pyannote's segmentation model (PyanNet) as ONNX: sound in, scores of three local speakers out.

The architecture: filters in the shape of band passes (SincNet, https://arxiv.org/abs/1808.00158), two convolutions,
four bidirectional LSTM layers, linear layers, one sigmoid for each speaker (https://arxiv.org/abs/2104.04045).
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkpoint import Weights, read_weights
from onnx_graph import Graph, below, layers_of

_SAMPLE_RATE: Final = 16_000
_LOWEST: Final = 50.0
"""Hertz: the least frequency, and the least width, of a band."""
_STRIDE: Final = 10
"""Samples from one step of the filters to the next."""
_EPSILON: Final = 1e-5
_LEAK: Final = 0.01


def convert(checkpoint: Path, target: Path) -> None:
    """Writes the model of a pyannote checkpoint to `target`."""
    write_model(read_weights(checkpoint, "state_dict"), target)


def write_model(weights: Weights, target: Path) -> None:
    """Writes the model with these weights, named as in pyannote."""
    graph = Graph()
    features = _convolutions(graph, weights)
    by_time = graph.node("Transpose", features, perm=[2, 0, 1])
    recurrent = below(weights, "lstm.")
    sequence, _ = graph.lstm(by_time, recurrent, layers=layers_of(recurrent, "weight_ih_l"), bidirectional=True)
    hidden = graph.node("Transpose", sequence, perm=[1, 0, 2])
    for layer in range(layers_of(weights, "linear.")):
        hidden = graph.node("LeakyRelu", _linear(graph, weights, f"linear.{layer}", hidden), alpha=_LEAK)
    scores = graph.node("Sigmoid", _linear(graph, weights, "classifier", hidden))
    speakers = len(weights["classifier.bias"])
    facts = {"source": "pyannote/segmentation, from the package whisperx", "licence": "MIT"}
    graph.save(target, ("sound", ["batch", 1, "samples"]), (scores, "scores", ["batch", "frames", speakers]), facts)


def _convolutions(graph: Graph, weights: Weights) -> str:
    """Normalised sound through three layers of filters, each pooled and normalised."""
    signal = _normalised(graph, weights, "sincnet.wav_norm1d", "sound")
    filters = graph.constant(band_passes(below(weights, "sincnet.conv1d.0.filterbank.")))
    signal = graph.node("Abs", graph.node("Conv", signal, filters, strides=[_STRIDE]))
    for layer in range(layers_of(weights, "sincnet.norm1d.")):
        if layer:
            own = [graph.constant(weights[f"sincnet.conv1d.{layer}.{part}"]) for part in ("weight", "bias")]
            signal = graph.node("Conv", signal, *own)
        pooled = graph.node("MaxPool", signal, kernel_shape=[3], strides=[3])
        signal = graph.node("LeakyRelu", _normalised(graph, weights, f"sincnet.norm1d.{layer}", pooled), alpha=_LEAK)
    return signal


def _normalised(graph: Graph, weights: Weights, name: str, signal: str) -> str:
    own = [graph.constant(weights[f"{name}.{part}"]) for part in ("weight", "bias")]
    return graph.node("InstanceNormalization", signal, *own, epsilon=_EPSILON)


def _linear(graph: Graph, weights: Weights, name: str, signal: str) -> str:
    product = graph.node("MatMul", signal, graph.constant(weights[f"{name}.weight"].T))
    return graph.node("Add", product, graph.constant(weights[f"{name}.bias"]))


def band_passes(weights: Weights) -> NDArray[np.float32]:
    """The filters that the learnt bands describe: even ones, then odd ones, as filters x 1 x samples.

    `low_hz_` and `band_hz_` are hertz, `n_` is the left half of the time axis in radians per hertz, `window_` the left
    half of the window. Computed in double precision, so that every processor gives the same model.
    """
    low_hz, band_hz, window, times = (
        np.asarray(weights[name], np.float64) for name in ("low_hz_", "band_hz_", "window_", "n_")
    )
    low = _LOWEST + np.abs(low_hz)
    high = np.clip(low + _LOWEST + np.abs(band_hz), _LOWEST, _SAMPLE_RATE / 2)
    width = high - low
    even = (np.sin(high @ times) - np.sin(low @ times)) / (times / 2) * window
    odd = (np.cos(low @ times) - np.cos(high @ times)) / (times / 2) * window
    centre = 2 * width
    filters = [
        np.concatenate([even, centre, even[:, ::-1]], axis=1) / centre,
        np.concatenate([odd, np.zeros_like(centre), -odd[:, ::-1]], axis=1) / centre,
    ]
    stacked: NDArray[Any] = np.concatenate(filters)[:, None]
    return stacked.astype(np.float32)
