"""Sample rates and channels of a stream of s16le PCM, changed as it flows."""

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.format import format_fault
from voicewire.audio.pcm import FULL_SCALE, mix_channels
from voicewire.audio.resample_filter import HALF_WIDTH, ResampleFilter, design_filter


class StreamResampler:
    """Changes the sample rate of one stream; chunks of any size join without a click.

    Every call returns all that its input decides: nothing waits but the last `delay_secs`.
    """

    def __init__(self, from_rate: int, to_rate: int, num_channels: int = 1) -> None:
        """Make a resampler.

        Args:
            from_rate: Hertz of what goes in.
            to_rate: Hertz of what comes out. The same as `from_rate` passes audio through.
            num_channels: Interleaved channels, in and out.

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
        self._filter: ResampleFilter | None = None
        if from_rate != to_rate:
            self._filter = design_filter(from_rate, to_rate)
            self._begin(self._filter)

    @property
    def delay_secs(self) -> float:
        """How much of the newest input waits for what follows it: 1.5 ms from or to 16 kHz."""
        return HALF_WIDTH / min(self.from_rate, self.to_rate) if self._filter else 0.0

    def process(self, pcm: bytes) -> bytes:
        """Return the next stretch of the stream, which goes on with `pcm`.

        Args:
            pcm: Interleaved s16le, whole samples of all channels.
        """
        if self._filter is None:
            return pcm
        return self._filter_on(self._filter, np.frombuffer(pcm, "<i2"))

    def flush(self) -> bytes:
        """Return the rest of the stream. What comes next is a new stream."""
        if self._filter is None:
            return b""
        silence = np.zeros(self._filter.reach * self.num_channels, "<i2")
        tail = self._filter_on(self._filter, silence)
        self._begin(self._filter)
        return tail

    def _begin(self, fir: ResampleFilter) -> None:
        # One row per channel. It starts where the block in hand does, after the silence that the
        # stream's first sample needs before it.
        self._pending: NDArray[np.float32] = np.zeros(
            (self.num_channels, fir.reach - 1), np.float32
        )
        self._num_returned = 0  # of the block in hand

    def _filter_on(self, fir: ResampleFilter, interleaved: NDArray[np.int16]) -> bytes:
        num_channels = self.num_channels
        num_pending = self._pending.shape[1]
        num_samples = num_pending + len(interleaved) // num_channels
        # An output sample is decided when `reach` samples after its own position are here.
        num_decided = -((2 * fir.reach - 1 - num_samples) * fir.block_out // fir.block_in)
        num_blocks = max(0, -(-num_decided // fir.block_out))

        # Room for whole blocks: what is missing of the last one is zero, and so is cut off below.
        room = max(num_samples, (num_blocks - 1) * fir.block_in + fir.span)
        samples = np.zeros((num_channels, room), np.float32)
        samples[:, :num_pending] = self._pending
        samples[:, num_pending:num_samples] = interleaved.reshape(-1, num_channels).T
        if num_decided <= self._num_returned:
            self._pending = samples[:, :num_samples]
            return b""

        # The stretches that the blocks are made of overlap; strides spare copying them out.
        item = samples.itemsize
        spans: NDArray[np.float32] = np.ndarray(
            (num_channels, num_blocks, fir.span),
            np.float32,
            samples,
            strides=(room * item, fir.block_in * item, item),
        )
        blocks = np.matmul(spans, fir.matrix).reshape(num_channels, -1)
        output = blocks[:, self._num_returned : num_decided]

        num_whole_blocks = num_decided // fir.block_out
        self._pending = samples[:, num_whole_blocks * fir.block_in : num_samples]
        self._num_returned = num_decided - num_whole_blocks * fir.block_out

        np.rint(output, out=output)
        np.minimum(output, FULL_SCALE - 1, out=output)
        np.maximum(output, -FULL_SCALE, out=output)
        return bytes(output.T.astype("<i2", order="C").data)


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
        """Return the next stretch of the stream, which goes on with `pcm`.

        Args:
            pcm: Interleaved s16le, whole samples of all channels.
            sample_rate: Hertz of `pcm`. Another one than before ends the stream before.
            num_channels: Channels of `pcm`.

        Raises:
            ValueError: A format outside of `audio.format`'s bounds.
        """
        if sample_rate == self._resampler.from_rate == self.sample_rate and (
            num_channels == self.num_channels
        ):
            return pcm  # Nearly always, so it comes before all else.
        before = b""
        fault = format_fault(sample_rate, num_channels)
        if fault is not None:
            raise ValueError(fault)
        if sample_rate != self._resampler.from_rate:
            before = self._resampler.flush()
            self._resampler = StreamResampler(sample_rate, self.sample_rate, self.num_channels)
        pcm = mix_channels(pcm, num_channels, self.num_channels)
        return before + self._resampler.process(pcm)

    def flush(self) -> bytes:
        """Return the rest of the stream. What comes next is a new stream."""
        return self._resampler.flush()
