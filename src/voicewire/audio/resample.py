"""Sample rates and channels of a stream of s16le PCM, changed as it flows."""

from typing import Literal

import numpy as np
import soxr

from voicewire.audio.format import format_fault
from voicewire.audio.pcm import mix_channels

Quality = Literal["LQ", "MQ", "HQ", "VHQ"]


class StreamResampler:
    """Changes the sample rate of one stream; chunks join without a click."""

    def __init__(
        self, from_rate: int, to_rate: int, num_channels: int = 1, *, quality: Quality = "MQ"
    ) -> None:
        """Make a resampler.

        Args:
            from_rate: Hertz of what goes in.
            to_rate: Hertz of what comes out. The same as `from_rate` passes audio through.
            num_channels: Interleaved channels, in and out.
            quality: soxr's name for it.

        Raises:
            ValueError: A format outside of `audio.format`'s bounds.
        """
        for rate in (from_rate, to_rate):
            fault = format_fault(rate, num_channels)
            if fault is not None:
                raise ValueError(fault)
        self.from_rate = from_rate
        self.to_rate = to_rate
        self.num_channels = num_channels
        self._soxr: soxr.ResampleStream | None = None
        if from_rate != to_rate:
            self._soxr = soxr.ResampleStream(
                from_rate, to_rate, num_channels, dtype="int16", quality=quality
            )

    def process(self, pcm: bytes) -> bytes:
        """Return what can be said by now of the stream that goes on with `pcm`.

        Args:
            pcm: Interleaved s16le, whole samples of all channels.
        """
        return self._run(pcm, last=False)

    def flush(self) -> bytes:
        """Return the rest of the stream. What comes next is a new stream."""
        tail = self._run(b"", last=True)
        if self._soxr is not None:
            self._soxr.clear()
        return tail

    def _run(self, pcm: bytes, *, last: bool) -> bytes:
        if self._soxr is None:
            return pcm
        samples = np.frombuffer(pcm, "<i2").reshape(-1, self.num_channels)
        return bytes(self._soxr.resample_chunk(samples, last=last).data)


class StreamNormalizer:
    """Turns a stream of whatever format into one of a fixed format.

    For a microphone whose client says with each message what it sends: the format may change in
    mid-stream.
    """

    def __init__(self, sample_rate: int, num_channels: int = 1) -> None:
        """Make a normalizer.

        Args:
            sample_rate: Hertz of what comes out.
            num_channels: Channels of what comes out.

        Raises:
            ValueError: A format outside of `audio.format`'s bounds.
        """
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self._resampler = StreamResampler(sample_rate, sample_rate, num_channels)

    def process(self, pcm: bytes, sample_rate: int, num_channels: int) -> bytes:
        """Return what can be said by now of the stream that goes on with `pcm`.

        Args:
            pcm: Interleaved s16le, whole samples of all channels.
            sample_rate: Hertz of `pcm`. Another one than before ends the stream before.
            num_channels: Channels of `pcm`.

        Raises:
            ValueError: A format outside of `audio.format`'s bounds.
        """
        before = b""
        if sample_rate != self._resampler.from_rate:
            resampler = StreamResampler(sample_rate, self.sample_rate, self.num_channels)
            before = self._resampler.flush()
            self._resampler = resampler
        pcm = mix_channels(pcm, num_channels, self.num_channels)
        return before + self._resampler.process(pcm)

    def flush(self) -> bytes:
        """Return the rest of the stream. What comes next is a new stream."""
        return self._resampler.flush()
