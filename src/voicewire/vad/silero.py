"""Silero v6 as batched matrix products in NumPy.

The model (https://github.com/snakers4/silero-vad, MIT licence) is small: a short Fourier transform,
four convolutions, one LSTM cell and one output. As a few matrix products over all callers' windows
it costs a fraction of what an inference engine takes one window at a time, and needs no other
package. `scripts/extract_silero_weights.py` makes the weights from the published ONNX file.
"""

import threading
from functools import partial
from importlib import resources
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.pcm import FULL_SCALE
from voicewire.errors import ConfigurationError, ModelFileError
from voicewire.vad.analyzer import VADAnalyzer
from voicewire.vad.blas import one_blas_thread
from voicewire.vad.engine import MAX_BATCH, BatchEngine, EngineSession
from voicewire.vad.shared import shared_engine
from voicewire.vad.stream import OnConfidence

Floats = NDArray[np.float32]

WEIGHTS_FILES = {8000: "silero_v6_8k.npz", 16000: "silero_v6_16k.npz"}

_HIDDEN = 128
_FRAMES = 4
"""Columns of the spectrum of each window."""


class SileroVADAnalyzer(VADAnalyzer):
    """Silero v6, for speech at 8000 or 16000 Hz, in windows of 32 ms.

    All callers of the process share one engine for each rate: see `voicewire.vad.engine`.
    """

    sample_rates: ClassVar[tuple[int, ...]] = tuple(WEIGHTS_FILES)

    def preload(self, sample_rate: int) -> None:
        super().preload(sample_rate)
        _engine(sample_rate)

    def open_detector(self, sample_rate: int, on_confidence: OnConfidence) -> EngineSession:
        return _engine(sample_rate).open(on_confidence)


class SileroModel:
    """The arithmetic. What is remembered of a caller: the last 4 ms of audio, then h, then c."""

    def __init__(self, sample_rate: int) -> None:
        """Load the weights.

        Args:
            sample_rate: Hz; 8000 or 16000. Each has weights of its own.

        Raises:
            ConfigurationError: There are no weights for the rate.
            ModelFileError: The file of the weights is missing.
        """
        weights = _load_weights(sample_rate)
        self.window_samples = sample_rate * 32 // 1000
        self._context = sample_rate * 4 // 1000
        self.state_size = self._context + 2 * _HIDDEN
        self._set_weights(weights)
        self._set_buffers(len(self._window))
        self._lock = threading.Lock()

    def infer(self, windows: NDArray[np.int16], states: Floats) -> Floats:
        """Return each window's probability of speech, and update `states` in place.

        Args:
            windows: (batch, window_samples), batch at most `MAX_BATCH`.
            states: (batch, state_size); all 0 for a new caller.
        """
        with self._lock, one_blas_thread:  # the buffers are used again by every call
            return self._infer(windows, states)

    def _set_weights(self, weights: dict[str, Floats]) -> None:
        def convolution(layer: int) -> tuple[Floats, Floats]:
            """Return kernel, as (3 x channels in, channels out), and bias."""
            name = f"encoder.{layer}.reparam_conv"
            kernel = weights[f"{name}.weight"].transpose(2, 1, 0)
            return kernel.reshape(-1, kernel.shape[2]), weights[f"{name}.bias"]

        # The published spectrum is a convolution with cosines and sines under a window; the cosine
        # of frequency 0 is that window alone. The fast transform needs no more of it. NumPy stays
        # with float32 only if it may divide by the length, so the window is multiplied by it: by
        # a power of two, which loses nothing.
        window = weights["stft.forward_basis_buffer"][0, 0]
        self._window = window * np.float32(len(window))
        self._kernel_0, self._bias_0 = convolution(0)
        self._kernel_1, self._bias_1 = convolution(1)
        # Two columns are left before this layer, and one after it: of the kernel's three taps
        # the first meets only padding here, and in the last layer also the third.
        kernel, self._bias_2 = convolution(2)
        self._kernel_2 = kernel[len(kernel) // 3 :]
        kernel, self._bias_3 = convolution(3)
        self._kernel_3 = kernel[len(kernel) // 3 : 2 * len(kernel) // 3]

        # Gates i, f, g, o become i, f, o, g: those with a sigmoid stand together. The sigmoid is
        # 1/2 + tanh(x/2)/2, with the inner half taken into the weights: one tanh for all gates.
        order = np.r_[0 : 2 * _HIDDEN, 3 * _HIDDEN : 4 * _HIDDEN, 2 * _HIDDEN : 3 * _HIDDEN]
        joined = [weights["decoder.rnn.weight_ih"], weights["decoder.rnn.weight_hh"]]
        gates = np.concatenate(joined, axis=1)[order].T.copy()
        bias = (weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"])[order]
        gates[:, : 3 * _HIDDEN] *= 0.5
        bias[: 3 * _HIDDEN] *= 0.5
        self._gates, self._gates_bias = gates, bias

        self._output = weights["decoder.decoder.2.weight"].reshape(_HIDDEN) * np.float32(0.5)
        self._output_bias = weights["decoder.decoder.2.bias"] * np.float32(0.5)

    def _set_buffers(self, frame: int) -> None:
        """Set room aside for `MAX_BATCH` windows.

        Args:
            frame: Samples of one column of the spectrum; the next begins half a frame later.
        """
        bins = frame // 2 + 1
        # The end of the audio is mirrored by as many samples as its beginning has of context.
        self._audio: Floats = np.zeros(
            (MAX_BATCH, self.window_samples + 2 * self._context), np.float32
        )
        self._frames = _overlapping(self._audio, _FRAMES, frame, frame // 2)
        self._windowed: Floats = np.zeros((MAX_BATCH, _FRAMES, frame), np.float32)
        self._spectrum = np.zeros((MAX_BATCH, _FRAMES, bins), np.complex64)
        # One column of zeros stands before the others, as padding, and one behind them.
        padded_0: Floats = np.zeros((MAX_BATCH, _FRAMES + 2, bins), np.float32)
        padded_1: Floats = np.zeros((MAX_BATCH, _FRAMES + 2, _HIDDEN), np.float32)
        self._inside_0 = padded_0[:, 1:-1]
        self._inside_1 = padded_1[:, 1:-1]
        self._taps_0 = _overlapping(padded_0.reshape(MAX_BATCH, -1), _FRAMES, 3 * bins, bins)
        self._taps_1 = _overlapping(
            padded_1.reshape(MAX_BATCH, -1), _FRAMES // 2, 3 * _HIDDEN, 2 * _HIDDEN
        )
        self._gates_input: Floats = np.zeros((MAX_BATCH, 2 * _HIDDEN), np.float32)

    def _infer(self, windows: NDArray[np.int16], states: Floats) -> Floats:
        batch, context, hidden = len(windows), self._context, _HIDDEN
        h = states[:, context : context + hidden]
        c = states[:, context + hidden :]

        audio = self._audio[:batch]
        audio[:, :context] = states[:, :context]
        np.multiply(windows, np.float32(1 / FULL_SCALE), out=audio[:, context:-context])
        audio[:, -context:] = audio[:, -context - 2 : -2 * context - 2 : -1]
        states[:, :context] = audio[:, -2 * context : -context]

        windowed, spectrum = self._windowed[:batch], self._spectrum[:batch]
        np.multiply(self._frames[:batch], self._window, out=windowed)
        np.fft.rfft(windowed, norm="forward", out=spectrum)  # type: ignore[arg-type]  # stubs know no complex64
        np.abs(spectrum, out=self._inside_0[:batch])

        x = self._taps_0[:batch].reshape(batch * _FRAMES, -1) @ self._kernel_0
        x += self._bias_0
        np.maximum(x.reshape(batch, _FRAMES, hidden), 0.0, out=self._inside_1[:batch])
        x = self._taps_1[:batch].reshape(batch * _FRAMES // 2, -1) @ self._kernel_1
        x += self._bias_1
        np.maximum(x, 0.0, out=x)
        x = x.reshape(batch, -1) @ self._kernel_2
        x += self._bias_2
        np.maximum(x, 0.0, out=x)
        x = x @ self._kernel_3
        x += self._bias_3

        gates_input = self._gates_input[:batch]
        np.maximum(x, 0.0, out=gates_input[:, :hidden])
        gates_input[:, hidden:] = h
        gates = gates_input @ self._gates
        gates += self._gates_bias
        np.tanh(gates, out=gates)
        sigmoids = gates[:, : 3 * hidden]
        sigmoids *= 0.5
        sigmoids += 0.5
        c *= sigmoids[:, hidden : 2 * hidden]
        c += sigmoids[:, :hidden] * gates[:, 3 * hidden :]
        np.tanh(c, out=h)
        h *= sigmoids[:, 2 * hidden :]

        logits: Floats = np.maximum(h, 0.0) @ self._output
        logits += self._output_bias
        np.tanh(logits, out=logits)
        logits *= 0.5
        logits += 0.5
        return logits


def _engine(sample_rate: int) -> BatchEngine:
    return shared_engine(f"silero-{sample_rate}", partial(SileroModel, sample_rate))


def _overlapping(rows: Floats, count: int, length: int, step: int) -> Floats:
    """Return `count` stretches of each row as a view, each beginning `step` after the last."""
    every = np.lib.stride_tricks.sliding_window_view(rows, length, axis=1)
    return every[:, : (count - 1) * step + 1 : step]


def _load_weights(sample_rate: int) -> dict[str, Floats]:
    if sample_rate not in WEIGHTS_FILES:
        raise ConfigurationError(f"Silero has weights for 8000 and 16000 Hz, not for {sample_rate}")
    file = resources.files("voicewire.vad") / "weights" / WEIGHTS_FILES[sample_rate]
    try:
        with file.open("rb") as opened, np.load(opened) as weights:
            return {name: weights[name] for name in weights.files}
    except FileNotFoundError as exc:
        raise ModelFileError(
            f"{file} is missing: the installation of voicewire is damaged"
        ) from exc
