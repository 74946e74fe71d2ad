"""Callers' audio for an hour, made of a few recordings: no two minutes of it are alike.

Each caller's random numbers are seeded with their own number, so that every run hears the same.
"""

from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from tests.conftest import DATA
from voicewire.audio.pcm import FULL_SCALE, mix_channels, parse_wav

Signal = NDArray[np.float32]

NOISES = ("none", "white", "pink", "recorded", "babble")
MAX_PAUSE_SECS = 4.0
SECTION_SECS = 7.0
"""How long the loudness of the noise stays the same."""


class Studio:
    """Makes callers at one sample rate."""

    def __init__(self, rate: int) -> None:
        """Read the recordings.

        Args:
            rate: Hz, of everything that is made.
        """
        self.rate = rate
        self._recordings = [load(file, rate) for file in sorted((DATA / "speech").glob("*.wav"))]
        self._noise = load(DATA / "noise/sb_noise1.wav", rate)

    def caller(self, number: int, secs: float) -> NDArray[np.int16]:
        """Return one caller's audio, 16-bit; what is too loud is clipped as a microphone does."""
        rng = np.random.default_rng(number)
        num_samples = round(secs * self.rate)
        voice = self._talk(rng, num_samples)
        if number % 2:
            voice = self._reverberate(rng, voice)
        noise = self._make_noise(rng, NOISES[number % len(NOISES)], num_samples)
        # From a whisper of few bits to a voice that is clipped most of the time.
        loudness = decibels(rng.uniform(-50.0, 25.0))
        mixed = (voice + noise * self._sections(rng, num_samples)) * loudness
        clipped: Signal = np.clip(mixed * FULL_SCALE, -FULL_SCALE, FULL_SCALE - 1)
        return clipped.astype(np.int16)

    def _talk(self, rng: np.random.Generator, num_samples: int) -> Signal:
        """Return recordings in random order, each at a speed and loudness of its own."""
        track = np.zeros(num_samples, np.float32)
        begin = 0
        while begin < num_samples:
            recording = self._recordings[rng.integers(len(self._recordings))]
            said = at_speed(recording, rng.uniform(0.75, 1.3)) * decibels(rng.uniform(-15.0, 5.0))
            said = said[: num_samples - begin]
            track[begin : begin + len(said)] = said
            begin += len(said) + int(rng.uniform(0.0, MAX_PAUSE_SECS) * self.rate)
        return track

    def _make_noise(self, rng: np.random.Generator, kind: str, num_samples: int) -> Signal:
        if kind == "none":
            return np.zeros(num_samples, np.float32)
        if kind == "recorded":
            played = at_speed(self._noise, rng.uniform(0.7, 1.4))
            return np.resize(played, num_samples)
        if kind == "babble":
            crowd: Signal = np.sum([self._talk(rng, num_samples) for _ in range(5)], axis=0)
            return crowd / np.float32(3)
        noise = rng.standard_normal(num_samples, np.float32) * np.float32(0.05)
        return pink(noise) if kind == "pink" else noise

    def _sections(self, rng: np.random.Generator, num_samples: int) -> Signal:
        """Return a factor for each sample: noise gets louder and quieter, and sometimes stops."""
        length = round(SECTION_SECS * self.rate)
        factors = decibels(rng.uniform(-40.0, 10.0, num_samples // length + 1))
        factors[rng.random(len(factors)) < 0.1] = 0.0
        return np.repeat(factors, length)[:num_samples]

    def _reverberate(self, rng: np.random.Generator, dry: Signal) -> Signal:
        """Return the sound in a room: noise that fades by 60 dB in 0.2..0.9 s is its echo."""
        fade = np.exp(-6.9 * np.arange(self.rate) / (rng.uniform(0.2, 0.9) * self.rate))
        echo = rng.standard_normal(self.rate) * fade
        echo *= 0.7 / np.sqrt(np.sum(echo**2))
        size = 1 << (len(dry) + len(echo)).bit_length()
        wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(echo, size), size)
        return dry + wet[: len(dry)].astype(np.float32)


def load(file: Path, rate: int) -> Signal:
    """Return a recording as mono, -1..1."""
    pcm, own_rate, num_channels = parse_wav(file.read_bytes())
    samples = np.frombuffer(mix_channels(pcm, num_channels, 1), "<i2").astype(np.float32)
    resampled: Signal = soxr.resample(samples / np.float32(FULL_SCALE), own_rate, rate)
    return resampled


def at_speed(signal: Signal, speed: float) -> Signal:
    """Return the signal as a tape plays it at that speed; a faster one is higher, too."""
    moments = np.arange(0.0, len(signal) - 1, speed)
    played: Signal = np.interp(moments, np.arange(len(signal)), signal).astype(np.float32)
    return played


def pink(white: Signal) -> Signal:
    """Return noise whose power falls by 3 dB an octave."""
    spectrum = np.fft.rfft(white)
    spectrum /= np.sqrt(np.arange(1, len(spectrum) + 1) / len(spectrum))
    return np.fft.irfft(spectrum, len(white)).astype(np.float32)


def decibels(value: float | NDArray[np.float64]) -> Signal:
    """Return the factor of amplitude."""
    return np.asarray(10.0 ** (np.asarray(value) / 20.0), np.float32)
