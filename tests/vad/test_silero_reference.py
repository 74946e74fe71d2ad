"""Silero in NumPy against onnxruntime with Silero's own file, over an hour of speech and noise."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.vad.callers import Studio
from voicewire.vad.silero import SileroModel

NUM_CALLERS = 30
SECS_EACH = 120.0
SECS_ALONE = 10.0
HIDDEN = 128

PROBABILITY_TOLERANCE = 1e-4
"""2e-5 at 16 kHz and 4e-5 at 8 kHz were seen."""

MEMORY_TOLERANCE = 5e-4
"""1.3e-4 was seen. The cell adds up the rounding of every window, and reaches values of 270: what
onnxruntime remembers is as far from the same arithmetic in float64."""

COMPANY_TOLERANCE = 2e-5
"""5e-6 was seen: a batch of another size has the BLAS add in another order."""

ONNX_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"

Floats = NDArray[np.float32]


class Reference:
    """Silero's own model, for as many callers at a time as there are windows."""

    def __init__(self, rate: int, num_callers: int) -> None:
        package = find_spec("silero_vad")  # found, not imported: that would ask for PyTorch
        assert package is not None
        assert package.origin is not None
        model = (Path(package.origin).parent / "data/silero_vad.onnx").read_bytes()
        assert hashlib.sha256(model).hexdigest() == ONNX_SHA256
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self._rate = np.array(rate, np.int64)
        self._context = np.zeros((num_callers, rate * 4 // 1000), np.float32)
        self.state = np.zeros((2, num_callers, HIDDEN), np.float32)

    def infer(self, windows: NDArray[np.int16]) -> Floats:
        audio = windows.astype(np.float32) / np.float32(32768)
        chunk = np.concatenate([self._context, audio], axis=1)
        self._context = chunk[:, -self._context.shape[1] :]
        inputs = {"input": chunk, "state": self.state, "sr": self._rate}
        probabilities: Floats
        probabilities, self.state = self._session.run(None, inputs)
        return probabilities[:, 0]


def audio_of_callers(rate: int, window_samples: int, secs_each: float) -> NDArray[np.int16]:
    """Return (steps, callers, window_samples)."""
    studio = Studio(rate)
    num_steps = round(secs_each * rate) // window_samples
    windows = [
        studio.caller(number, secs_each)[: num_steps * window_samples].reshape(num_steps, -1)
        for number in range(NUM_CALLERS)
    ]
    return np.stack(windows, axis=1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rate", [16000, 8000])
def test_an_hour_is_judged_as_onnxruntime_does_in_whatever_batches_it_comes(rate: int) -> None:
    model = SileroModel(rate)
    reference = Reference(rate, NUM_CALLERS)
    windows = audio_of_callers(rate, model.window_samples, SECS_EACH)
    assert windows.size / rate >= 3600
    states = np.zeros((NUM_CALLERS, model.state_size), np.float32)
    memory = states[:, -2 * HIDDEN :].reshape(NUM_CALLERS, 2, HIDDEN)
    answers = np.zeros(NUM_CALLERS, np.float32)
    rng = np.random.default_rng(rate)
    num_speech = 0
    for step in windows:
        # Each step is cut into batches of random sizes, of callers in random order.
        cuts = np.sort(rng.integers(0, NUM_CALLERS + 1, rng.integers(0, 6)))
        for batch in np.split(rng.permutation(NUM_CALLERS), cuts):
            if len(batch):
                state = states[batch]
                answers[batch] = model.infer(step[batch], state)
                states[batch] = state
        expected = reference.infer(step)
        num_speech += int(np.sum(expected > 0.5))
        assert_within(answers, expected, PROBABILITY_TOLERANCE)
        assert_within(memory, reference.state.transpose(1, 0, 2), MEMORY_TOLERANCE)
    # Otherwise the hour would say little: much of it is speech, and much is not.
    assert 0.2 < num_speech / (len(windows) * NUM_CALLERS) < 0.8


@pytest.mark.parametrize("rate", [16000, 8000])
def test_callers_alone_are_judged_as_in_company(rate: int) -> None:
    model = SileroModel(rate)
    windows = audio_of_callers(rate, model.window_samples, SECS_ALONE)
    company = np.zeros((NUM_CALLERS, model.state_size), np.float32)
    alone = np.zeros_like(company)
    for step in windows:
        together = model.infer(step, company)
        singly = [model.infer(step[i : i + 1], alone[i : i + 1])[0] for i in range(NUM_CALLERS)]
        assert_within(np.array(singly), together, COMPANY_TOLERANCE)


def assert_within(answers: Floats, expected: Floats, tolerance: float) -> None:
    """Fail unless all differ by at most `tolerance`, or by that share of what is greater than 1."""
    differences = np.abs(answers - expected) / np.maximum(1.0, np.abs(expected))
    assert differences.max() <= tolerance
