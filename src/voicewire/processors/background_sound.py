"""An office, a café, rain: sound under the bot's voice."""

import asyncio
from collections import OrderedDict
from copy import copy
from math import gcd
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.format import format_fault
from voicewire.audio.pcm import (
    BYTES_PER_SAMPLE,
    FULL_SCALE,
    duration_secs,
    is_wav,
    mix_channels,
    parse_wav,
)
from voicewire.audio.resample import StreamResampler
from voicewire.audio.resample_filter import HALF_WIDTH
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    OutputAudioRawFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor, ProcessorSetup

MAX_SOUND_SECS = 600.0
"""Longest sound: ten minutes at 24 kHz mono are 29 MB."""

PIECE_SAMPLES = 1 << 18
"""A sound is resampled in pieces, for the sake of memory: floats are twice the size."""

MAX_FORMATS = 4
"""Formats in which a sound is kept beside its own; of more, the one used longest ago goes."""


class BackgroundSound:
    """A sound that begins again at its end. Make one, and share it between all sessions.

    Args:
        audio: A WAV file of 16-bit PCM, or interleaved s16le samples.
        sample_rate: Hertz of samples; None where `audio` is a WAV file, which says it itself.
        num_channels: Channels of samples.

    Raises:
        ConfigurationError: There is no such sound, or one longer than ten minutes.
    """

    def __init__(
        self, audio: bytes, *, sample_rate: int | None = None, num_channels: int = 1
    ) -> None:
        if sample_rate is None:
            if not is_wav(audio):
                raise ConfigurationError("samples need a sample_rate; only a WAV file has its own")
            try:
                audio, sample_rate, num_channels = parse_wav(audio)
            except ValueError as exc:
                raise ConfigurationError(str(exc)) from exc
        fault = format_fault(sample_rate, num_channels)
        if fault is None and (not audio or len(audio) % (num_channels * BYTES_PER_SAMPLE)):
            fault = f"{len(audio)} bytes; expected whole samples, and one at least"
        if fault is None and duration_secs(len(audio), sample_rate, num_channels) > MAX_SOUND_SECS:
            fault = f"longer than {MAX_SOUND_SECS:g} s"
        if fault is not None:
            raise ConfigurationError(f"a background sound of {fault}")
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self._audio = audio
        self._loops: OrderedDict[tuple[int, int], NDArray[np.int16]] = OrderedDict()
        self._lock = Lock()  # Mixers get ready in threads.

    def loop(self, sample_rate: int, num_channels: int) -> NDArray[np.int16]:
        """Return the sound in a format, of shape (samples, channels); it is resampled once.

        Raises:
            ValueError: A format outside of `audio.format`'s bounds.
        """
        key = (sample_rate, num_channels)
        with self._lock:
            loop = self._loops.get(key)
            if loop is None:
                pcm = mix_channels(self._audio, self.num_channels, num_channels)
                samples = np.frombuffer(pcm, "<i2").reshape(-1, num_channels)
                loop = self._loops[key] = _resample_loop(samples, self.sample_rate, sample_rate)
                if len(self._loops) > MAX_FORMATS:
                    self._loops.popitem(last=False)
            self._loops.move_to_end(key)
            return loop


class SoundMixer(InlineProcessor):
    """Mixes a background sound under all that the bot says. Goes before `transport.output()`.

    The sound goes on from one piece of speech to the next without a seam, and what is too loud for
    16 bits is clipped. A caller who comes hears it from its beginning. It is resampled to the rate
    of the pipeline before the first caller comes, to that of a service which speaks at another when
    it first speaks: 8 ms for each second of sound.

    It is heard only under speech: between two utterances there is silence, and no parameter to play
    on in it. Audio that never ends would keep the output from finding that the bot has stopped
    speaking: `BotStoppedSpeakingFrame` would not come, for which clients and `UserIdleProcessor`
    wait, and a goodbye would wait behind the sound.

    ::

        CAFE = BackgroundSound(Path("cafe.wav").read_bytes())

        async def bot(transport):
            ...
            Pipeline([..., tts, SoundMixer(CAFE, volume=0.2), transport.output()])

    Args:
        sound: What is heard.
        volume: How loud, 0..1 of what it is.
        name: For logs.

    Raises:
        ConfigurationError: A volume outside of 0..1.
    """

    def __init__(
        self, sound: BackgroundSound, *, volume: float = 0.4, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self._sound = sound
        self.volume = volume
        self._position = 0
        self._num_samples = 0

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await asyncio.to_thread(self._sound.loop, setup.start.audio_out_sample_rate, 1)

    @property
    def volume(self) -> float:
        """How loud the sound is, 0..1; setting it counts from the next piece of speech on."""
        return self._volume

    @volume.setter
    def volume(self, volume: float) -> None:
        if not 0 <= volume <= 1:
            raise ConfigurationError(f"a volume of {volume}; expected 0..1")
        self._volume = volume

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, OutputAudioRawFrame) and direction is FrameDirection.DOWNSTREAM:
            self.push(self._mix(frame))
            return
        if isinstance(frame, ClientConnectedFrame | ClientDisconnectedFrame):
            self._position = 0
        self.push(frame, direction)

    def _mix(self, frame: OutputAudioRawFrame) -> OutputAudioRawFrame:
        """Return the frame with the sound under it; as it is where the output will refuse it."""
        if format_fault(frame.sample_rate, frame.num_channels) is not None or (
            len(frame.audio) % (frame.num_channels * BYTES_PER_SAMPLE)
        ):
            return frame
        loop = self._sound.loop(frame.sample_rate, frame.num_channels)
        if len(loop) != self._num_samples:  # At another rate the same place has another number.
            self._position = self._position * len(loop) // max(1, self._num_samples)
            self._num_samples = len(loop)
        stretch = (self._position + np.arange(frame.num_frames)) % len(loop)
        self._position = (self._position + frame.num_frames) % len(loop)
        voice = np.frombuffer(frame.audio, "<i2").astype(np.float32)
        mixed = voice + loop[stretch].reshape(-1) * np.float32(self._volume)
        clipped = np.clip(np.rint(mixed), -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
        mixture = copy(frame)  # Whoever else holds the frame goes on to have the voice alone.
        mixture.audio = bytes(clipped.data)
        return mixture


def _resample_loop(samples: NDArray[np.int16], from_rate: int, to_rate: int) -> NDArray[np.int16]:
    """Return a loop at another rate, whose end leads to its beginning as before."""
    if from_rate == to_rate:
        return samples
    # As much of the end before it, and of the beginning behind it, as the filter reaches. It is a
    # whole number of samples at both rates.
    common = gcd(from_rate, to_rate)
    reach = HALF_WIDTH * max(1, -(-from_rate // to_rate)) + 1
    num_periods = -(-reach // (from_rate // common))
    num_around = num_periods * (from_rate // common)
    around = np.arange(-num_around, len(samples) + num_around) % len(samples)
    resampler = StreamResampler(from_rate, to_rate, samples.shape[1])
    pieces = [
        resampler.process(bytes(samples[around[start : start + PIECE_SAMPLES]].data))
        for start in range(0, len(around), PIECE_SAMPLES)
    ]
    pcm = b"".join([*pieces, resampler.flush()])
    begin = num_periods * (to_rate // common)
    length = max(1, round(len(samples) * to_rate / from_rate))
    return np.frombuffer(pcm, "<i2").reshape(-1, samples.shape[1])[begin : begin + length].copy()
