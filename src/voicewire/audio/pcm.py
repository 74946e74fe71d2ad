"""Signed 16-bit little-endian PCM: durations, channels, floats and WAV. Pure functions."""

import io
import wave

import numpy as np
from numpy.typing import NDArray

BYTES_PER_SAMPLE = 2
"""Everything inside voicewire is 16-bit."""

FULL_SCALE = 32768.0
"""The magnitude of the most negative 16-bit sample."""


def duration_secs(num_bytes: int, sample_rate: int, num_channels: int) -> float:
    """Return how long `num_bytes` of interleaved s16le play. The one home of this formula."""
    return num_bytes / (sample_rate * num_channels * BYTES_PER_SAMPLE)


def num_bytes(duration_secs: float, sample_rate: int, num_channels: int) -> int:
    """Return the bytes that play for `duration_secs`, rounded to whole samples of all channels."""
    return round(duration_secs * sample_rate) * num_channels * BYTES_PER_SAMPLE


def to_float(pcm: bytes) -> NDArray[np.float32]:
    """Return s16le samples as float32 in -1..1."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(FULL_SCALE)


def from_float(samples: NDArray[np.float32]) -> bytes:
    """Return floats in -1..1 as s16le; what lies outside is clipped."""
    scaled = np.rint(samples * np.float32(FULL_SCALE))
    return bytes(np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype("<i2").data)


def mix_channels(pcm: bytes, from_channels: int, to_channels: int) -> bytes:
    """Return interleaved s16le with another number of channels.

    All channels are averaged into one, which is then repeated as often as is asked for.
    """
    if from_channels == to_channels:
        return pcm
    samples = np.frombuffer(pcm, "<i2")
    if from_channels > 1:
        mean = samples.reshape(-1, from_channels).mean(axis=1)
        samples = np.rint(mean).astype("<i2")
    return bytes(np.repeat(samples, to_channels).data)


def wav_bytes(pcm: bytes, sample_rate: int, num_channels: int) -> bytes:
    """Return `pcm` as a complete WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(num_channels)
        file.setsampwidth(BYTES_PER_SAMPLE)
        file.setframerate(sample_rate)
        file.writeframes(pcm)
    return buffer.getvalue()


def is_wav(data: bytes) -> bool:
    """Whether `data` begins like a WAV file (RIFF, "Multimedia Programming Interface", 1991)."""
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE"


def parse_wav(data: bytes) -> tuple[bytes, int, int]:
    """Return a WAV file's `(pcm, sample_rate, num_channels)`.

    Raises:
        ValueError: It is damaged, or not 16-bit PCM.
    """
    try:
        with wave.open(io.BytesIO(data), "rb") as file:
            if file.getsampwidth() != BYTES_PER_SAMPLE:
                bits = 8 * file.getsampwidth()
                raise ValueError(f"the WAV holds {bits}-bit samples; 16-bit PCM is expected")
            return file.readframes(file.getnframes()), file.getframerate(), file.getnchannels()
    except (wave.Error, EOFError, RuntimeError) as exc:  # `wave` seeks by sizes from the file
        raise ValueError(f"not a 16-bit PCM WAV: {str(exc) or 'it ends too early'}") from exc
