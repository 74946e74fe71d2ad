"""What Silero's reference answers were made for; `silero_golden.npz` holds the answers."""

import wave

import numpy as np
from numpy.typing import NDArray

from tests.conftest import DATA

RECORDINGS = ("sense_0870", "sense_0880", "sense_0890")


def golden_inputs(rate: int) -> dict[str, NDArray[np.int16]]:
    """Return the recordings and seeded noise as 16-bit samples.

    At 8000 Hz every second sample is taken as it is: aliased, but the same on every machine, and
    the model's answer to it is what is compared, not how good that answer is.
    """
    inputs: dict[str, NDArray[np.int16]] = {}
    for name in RECORDINGS:
        with wave.open(str(DATA / "speech" / f"{name}.wav"), "rb") as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        inputs[name] = samples[:: 16000 // rate]
    inputs["noise"] = np.random.RandomState(1).randint(-9000, 9000, 2 * rate).astype(np.int16)
    return inputs
