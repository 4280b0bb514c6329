"""ONNX models, compared with the same computation in numpy on small models with random weights."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from scipy.signal import ShortTimeFFT

from segmentation import band_passes
from segmentation import write_model as write_segmentation
from speaker_encoder import fourier_waves, mel_filters
from speaker_encoder import write_model as write_encoder

NUMBERS = np.random.default_rng(11)


def random(*shape: int) -> Any:
    return NUMBERS.normal(0, 0.3, shape).astype(np.float32)


def sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-values))


def lstm_weights(inputs: int, hidden: int, layers: int, ways: tuple[str, ...]) -> dict[str, Any]:
    weights = {}
    for layer in range(layers):
        for way in ways:
            width = inputs if layer == 0 else hidden * len(ways)
            weights[f"lstm.weight_ih_l{layer}{way}"] = random(4 * hidden, width)
            weights[f"lstm.weight_hh_l{layer}{way}"] = random(4 * hidden, hidden)
            weights[f"lstm.bias_ih_l{layer}{way}"] = random(4 * hidden)
            weights[f"lstm.bias_hh_l{layer}{way}"] = random(4 * hidden)
    return weights


def lstm(weights: dict[str, Any], sequence: Any, layer: int, way: str) -> Any:
    """The LSTM of torch, gate by gate: one way through one layer, over time x features."""
    hidden = weights[f"lstm.weight_hh_l{layer}{way}"].shape[1]
    output, memory, result = np.zeros(hidden), np.zeros(hidden), []
    for step in sequence[::-1] if way else sequence:
        gates = weights[f"lstm.weight_ih_l{layer}{way}"] @ step + weights[f"lstm.bias_ih_l{layer}{way}"]
        gates = gates + weights[f"lstm.weight_hh_l{layer}{way}"] @ output + weights[f"lstm.bias_hh_l{layer}{way}"]
        enter, forget, cell, leave = np.split(gates, 4)
        memory = sigmoid(forget) * memory + sigmoid(enter) * np.tanh(cell)
        output = sigmoid(leave) * np.tanh(memory)
        result.append(output)
    return np.array(result[::-1] if way else result)


def run(path: Path, sound: Any) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"sound": sound})[0]


def test_the_speaker_encoder_computes_what_the_weights_say(tmp_path: Path) -> None:
    weights = lstm_weights(40, 6, 2, ("",))
    weights |= {"linear.weight": random(5, 6), "linear.bias": np.abs(random(5))}
    write_encoder(weights, tmp_path / "encoder.onnx")
    sound = random(2, 400 + 160 * 9)
    found = run(tmp_path / "encoder.onnx", sound)
    for voice, samples in zip(found, sound, strict=True):
        frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::160]
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
        sequence = np.abs(np.fft.rfft(frames * window)) ** 2 @ mel_filters().T
        for layer in range(2):
            sequence = lstm(weights, sequence, layer, "")
        expected = np.maximum(weights["linear.weight"] @ sequence[-1] + weights["linear.bias"], 0)
        assert voice == pytest.approx(expected / np.linalg.norm(expected), abs=1e-4)


def test_the_waves_are_those_of_a_short_time_fourier_transform() -> None:
    sound = random(2000)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    expected = ShortTimeFFT(window, hop=160, fs=16_000).stft(sound, p0=5, p1=6)[:, 0]
    frame = sound[5 * 160 - 200 :][:400]
    waves = fourier_waves()[:, 0] @ frame
    assert np.hypot(waves[:201], waves[201:]) == pytest.approx(np.abs(expected), abs=1e-3)


def test_the_mel_filters_are_those_of_librosa() -> None:
    """Expected: librosa 0.11.0, librosa.filters.mel(sr=16000, n_fft=400, n_mels=40)."""
    filters = mel_filters()
    assert filters.shape == (40, 201)
    assert filters[0, :4] == pytest.approx([0, 0.00739020947, 0.012404521, 0.00501431152], abs=1e-8)
    assert filters[39].sum() == pytest.approx(0.024978757, abs=1e-8)
    assert int(filters[39].argmax()) == 185
    assert float(filters.sum()) == pytest.approx(0.9994972, abs=1e-6)


def segmentation_weights() -> dict[str, Any]:
    weights = lstm_weights(3, 4, 2, ("", "_reverse"))
    half = 125
    times = 2 * np.pi * np.arange(-half, 0)[None] / 16_000
    weights |= {
        "sincnet.wav_norm1d.weight": np.ones(1, np.float32),
        "sincnet.wav_norm1d.bias": np.zeros(1, np.float32),
        "sincnet.conv1d.0.filterbank.low_hz_": np.array([[100], [900]], np.float32),
        "sincnet.conv1d.0.filterbank.band_hz_": np.array([[300], [700]], np.float32),
        "sincnet.conv1d.0.filterbank.window_": np.hamming(2 * half + 1)[:half].astype(np.float32),
        "sincnet.conv1d.0.filterbank.n_": times.astype(np.float32),
        "sincnet.conv1d.1.weight": random(3, 4, 5),
        "sincnet.conv1d.1.bias": random(3),
        "linear.0.weight": random(6, 8),
        "linear.0.bias": random(6),
        "classifier.weight": random(3, 6),
        "classifier.bias": random(3),
    }
    for layer, channels in enumerate((4, 3)):
        weights[f"sincnet.norm1d.{layer}.weight"] = np.abs(random(channels)) + 0.5
        weights[f"sincnet.norm1d.{layer}.bias"] = random(channels)
    return weights


def instance_norm(weights: dict[str, Any], name: str, signal: Any) -> Any:
    spread = np.sqrt(signal.var(axis=1, keepdims=True) + 1e-5)
    normal = (signal - signal.mean(axis=1, keepdims=True)) / spread
    return normal * weights[f"{name}.weight"][:, None] + weights[f"{name}.bias"][:, None]


def convolve(signal: Any, filters: Any, stride: int) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(signal, filters.shape[2], axis=1)[:, ::stride]
    return np.einsum("cts,fcs->ft", windows, filters)


def leaky(values: Any) -> Any:
    return np.where(values > 0, values, 0.01 * values)


def test_the_segmentation_computes_what_the_weights_say(tmp_path: Path) -> None:
    weights = segmentation_weights()
    write_segmentation(weights, tmp_path / "segmentation.onnx")
    sound = random(1, 1, 4000)
    found = run(tmp_path / "segmentation.onnx", sound)[0]
    bank = band_passes({name.split(".")[-1]: weights[name] for name in weights if "filterbank" in name})
    signal = np.abs(convolve(instance_norm(weights, "sincnet.wav_norm1d", sound[0]), bank, 10))
    for layer in range(2):
        if layer:
            signal = convolve(signal, weights["sincnet.conv1d.1.weight"], 1) + weights["sincnet.conv1d.1.bias"][:, None]
        pooled = signal[:, : signal.shape[1] // 3 * 3].reshape(len(signal), -1, 3).max(axis=2)
        signal = leaky(instance_norm(weights, f"sincnet.norm1d.{layer}", pooled))
    sequence = signal.T
    for layer in range(2):
        sequence = np.concatenate([lstm(weights, sequence, layer, way) for way in ("", "_reverse")], axis=1)
    hidden = leaky(sequence @ weights["linear.0.weight"].T + weights["linear.0.bias"])
    expected = sigmoid(hidden @ weights["classifier.weight"].T + weights["classifier.bias"])
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_band_pass_lets_its_band_through_and_no_other() -> None:
    weights = segmentation_weights()
    filters = band_passes({name.split(".")[-1]: weights[name] for name in weights if "filterbank" in name})
    strength = np.abs(np.fft.rfft(filters[:, 0], 1600))  # 10 Hz each
    within, beyond = strength[0, 20:40], strength[0, 120:]
    assert within.min() > 10 * beyond.max()
    assert strength[1, 110:150].min() > 10 * strength[1, :60].max()
