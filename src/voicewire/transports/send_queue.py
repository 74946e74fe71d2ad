"""What waits to be sent: frames, and between them audio in the client's format. Pure."""

from collections import deque

from voicewire.audio.format import format_fault
from voicewire.audio.pcm import BYTES_PER_SAMPLE, duration_secs, num_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.errors import QueueFullError
from voicewire.frames import (
    EndFrame,
    Frame,
    OutputAudioRawFrame,
    StopFrame,
    TTSAudioRawFrame,
    TTSSentenceFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from voicewire.pipeline.processor import require_frame


class SendQueue:
    """Frames and audio in the order in which they came.

    Audio is converted when it comes; between two frames it is one run of bytes, from which chunks
    of any size are taken. Converting holds back the newest 1 to 3 ms of a stream: an utterance's
    end brings them out, and so does `take_tail`.

    Args:
        sample_rate: Hertz of what comes out, at first.
        num_channels: Channels of what comes out.
        max_audio_secs: Audio that may wait; what comes then is refused.
        max_frames: Frames that may wait; more are refused, but for those that must arrive.

    Attributes:
        num_audio_bytes: How much audio waits, in the format in which it comes out.
        padding_samples: Silence behind each stream.
    """

    def __init__(
        self, sample_rate: int, num_channels: int, *, max_audio_secs: float, max_frames: int
    ) -> None:
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self._max_audio_secs = max_audio_secs
        self._max_audio_bytes = num_bytes(max_audio_secs, sample_rate, num_channels)
        self._sample_bytes = num_channels * BYTES_PER_SAMPLE
        self._max_frames = max_frames
        self._items: deque[Frame | bytearray] = deque()
        self.num_audio_bytes = 0
        self.padding_samples = 0
        self._context_id: str | None = None
        self._cut_context_id: str | None = None
        self._begin_stream()

    def __len__(self) -> int:
        """Frames and runs of audio."""
        return len(self._items)

    @property
    def head(self) -> Frame | bytearray | None:
        """What is next: a frame, or the run of audio that is to be taken from."""
        return self._items[0] if self._items else None

    @property
    def audio_secs(self) -> float:
        """How much audio waits."""
        return duration_secs(self.num_audio_bytes, self.sample_rate, self.num_channels)

    def sentences(self) -> list[TTSSentenceFrame]:
        """Return the sentences of which no audio has been taken."""
        return [item for item in self._items if isinstance(item, TTSSentenceFrame)]

    @property
    def is_half_empty(self) -> bool:
        return (
            self.audio_secs < self._max_audio_secs / 2 and len(self._items) < self._max_frames / 2
        )

    def append_audio(self, frame: OutputAudioRawFrame) -> bool:
        """Add audio at the end; return False if it is the rest of an utterance that was cut off.

        Raises:
            QueueFullError: `max_audio_secs` wait already.
            ValueError: The audio is no bytes, its format is outside of `audio.format`'s bounds, or
                a sample is not whole.
        """
        if not (
            type(frame.audio) is bytes
            and frame.sample_rate == self.sample_rate
            and frame.num_channels == self.num_channels
            and not len(frame.audio) % self._sample_bytes
        ):
            _check_samples(frame)
        if isinstance(frame, TTSAudioRawFrame) and frame.context_id is not None:
            if frame.context_id == self._cut_context_id:
                return False
            self._context_id = frame.context_id
        if self.num_audio_bytes >= self._max_audio_bytes:
            raise QueueFullError("the output", self._max_audio_secs, "seconds of audio")
        self._is_stream_open = True
        self._append_pcm(
            self._converter.process(frame.audio, frame.sample_rate, frame.num_channels)
        )
        return True

    def append(self, frame: Frame) -> None:
        """Add a frame at the end.

        Raises:
            QueueFullError: `max_frames` wait already, and this one may be dropped.
            TypeError: It is no frame. As None, it would pass for the end of what waits, for good.
        """
        require_frame(frame)
        if len(self._items) >= self._max_frames and frame.interruptible and frame.belongs_to_caller:
            raise QueueFullError("the output", self._max_frames, "frames")
        if isinstance(frame, TTSStartedFrame) and frame.context_id is not None:
            self._context_id = frame.context_id
            if frame.context_id == self._cut_context_id:
                self._cut_context_id = None  # A service that gives all its utterances one name.
        elif isinstance(frame, TTSStoppedFrame | EndFrame | StopFrame):
            self._append_pcm(self.take_tail())
        self._items.append(frame)

    def convert_to(self, sample_rate: int) -> None:
        """Give audio out at another rate from now on, what waits included."""
        if sample_rate == self.sample_rate:
            return
        self._append_pcm(self.take_tail())
        old_rate, self.sample_rate = self.sample_rate, sample_rate
        self._max_audio_bytes = num_bytes(self._max_audio_secs, sample_rate, self.num_channels)
        self.num_audio_bytes = 0
        waiting, self._items = self._items, deque()
        for item in waiting:
            if isinstance(item, Frame):
                self._items.append(item)
            else:
                converter = StreamNormalizer(sample_rate, self.num_channels)
                pcm = converter.process(bytes(item), old_rate, self.num_channels)
                self._append_pcm(pcm + converter.flush())
        self._begin_stream()

    def take_frame(self) -> Frame:
        """Remove and return the frame at the head."""
        frame = self._items.popleft()
        assert isinstance(frame, Frame)  # noqa: S101 - the caller has looked at `head`
        return frame

    def take_audio(self, max_bytes: int) -> bytes:
        """Remove and return the first `max_bytes` of the run at the head, or all of a shorter."""
        run = self._items[0]
        assert isinstance(run, bytearray)  # noqa: S101 - the caller has looked at `head`
        chunk = bytes(run[:max_bytes])
        del run[:max_bytes]  # CPython only moves the start: this copies nothing.
        if not run:
            self._items.popleft()
        self.num_audio_bytes -= len(chunk)
        return chunk

    def take_tail(self) -> bytes:
        """End the stream of audio and return the rest of it; what comes next is a new stream."""
        tail = self._converter.flush()
        if self._is_stream_open:
            tail += bytes(self.padding_samples * self._sample_bytes)
        self._begin_stream()
        return tail

    def interrupt(self) -> float:
        """Drop what an interruption drops; return the seconds of audio among it.

        Audio that still comes of the utterance in hand is not taken any more: some services make it
        in a task of their own, which nobody has cancelled. A `TTSStartedFrame` begins it anew.
        """
        dropped_secs = self.audio_secs
        self._items = deque(
            item for item in self._items if isinstance(item, Frame) and not item.interruptible
        )
        self.num_audio_bytes = 0
        self._begin_stream()
        if self._context_id is not None:
            self._cut_context_id, self._context_id = self._context_id, None
        return dropped_secs

    def clear(self) -> tuple[list[Frame], float]:
        """Drop everything; return the frames, and the seconds of audio."""
        frames = [item for item in self._items if isinstance(item, Frame)]
        dropped_secs = self.audio_secs
        self._items.clear()
        self.num_audio_bytes = 0
        self._begin_stream()
        return frames, dropped_secs

    def _append_pcm(self, pcm: bytes) -> None:
        if not pcm:
            return
        last = self._items[-1] if self._items else None
        if isinstance(last, bytearray):
            last += pcm
        else:
            self._items.append(bytearray(pcm))
        self.num_audio_bytes += len(pcm)

    def _begin_stream(self) -> None:
        self._converter = StreamNormalizer(self.sample_rate, self.num_channels)
        self._is_stream_open = False


def _check_samples(frame: OutputAudioRawFrame) -> None:
    if not _is_bytes_like(frame.audio):
        raise ValueError(f"audio of type {type(frame.audio).__name__}; expected bytes")
    fault = format_fault(frame.sample_rate, frame.num_channels)
    if fault is not None:
        raise ValueError(fault)
    sample_bytes = frame.num_channels * BYTES_PER_SAMPLE
    if len(frame.audio) % sample_bytes:
        # Half a sample would turn all that follows it into noise.
        raise ValueError(
            f"audio of {len(frame.audio)} bytes; expected a multiple of {sample_bytes} "
            f"(16-bit samples, {frame.num_channels} channels)"
        )


def _is_bytes_like(audio: object) -> bool:
    """Whether it is bytes, or a view of which `len` counts bytes and not samples or rows."""
    if isinstance(audio, memoryview):
        return len(audio) == audio.nbytes
    return isinstance(audio, bytes | bytearray)
