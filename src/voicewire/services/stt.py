"""Speech-to-text."""

from abc import abstractmethod
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from voicewire.audio.pcm import num_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    SystemFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.services.base import Service

PREROLL_SECS = 0.7
"""Audio kept from before speech was noticed: VAD's usual 0.2 s, and a soft first consonant."""

INTERIM_SECS = 1.0
"""New speech between two interim transcriptions."""

MIN_CHUNK_SECS = 0.02
"""Smaller pieces of audio are kept as one: however small a client's messages, memory is bounded."""

MAX_SEGMENT_SECS = 60.0
"""Speech without a pause is transcribed piece by piece, each this long at most."""


@dataclass(slots=True, eq=False)
class _SegmentFrame(SystemFrame):
    """Speech to transcribe; a system frame, so that an interruption does not lose words."""

    pcm: bytes
    is_final: bool


class SegmentedSTTService(Service):
    """Transcribes each stretch of speech that voice activity detection marks.

    Subclasses override `transcribe`. While the caller speaks, the stretch so far is transcribed
    every `interim_secs` into an `InterimTranscriptionFrame`; when the caller stops, the whole of it
    into a `TranscriptionFrame`. Microphone audio and all else passes by without waiting.

    Args:
        sample_rate: Hertz that `transcribe` wants; the pipeline's audio is resampled to it.
        interim_secs: New speech between two interim transcriptions; None makes none.
        user_id: Who speaks, for the frames.
        name: For logs.
    """

    handles = (_SegmentFrame,)

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        interim_secs: float | None = INTERIM_SECS,
        user_id: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.sample_rate = sample_rate
        self._user_id = user_id
        self._is_speaking = False
        self._is_interim_pending = False
        self._min_chunk_bytes = self._num_bytes(MIN_CHUNK_SECS)
        self._preroll_bytes = self._num_bytes(PREROLL_SECS)
        self._max_segment_bytes = self._num_bytes(MAX_SEGMENT_SECS)
        self._interim_bytes = None if interim_secs is None else self._num_bytes(interim_secs)
        self._forget()

    @abstractmethod
    async def transcribe(self, pcm: bytes) -> str:
        """Return what is said; empty where nothing is.

        Args:
            pcm: Mono s16le at `sample_rate`.
        """

    def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            self._listen(frame)
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            self._is_speaking = True
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            if self._is_speaking:
                self._post_segment(is_final=True)
            self._is_speaking = False
        elif isinstance(frame, ClientConnectedFrame | ClientDisconnectedFrame):
            self._forget()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        assert isinstance(frame, _SegmentFrame)  # noqa: S101 - nothing else is handled
        clock = self._require_setup().clock
        started_at = clock.now()
        text = ""
        try:
            if frame.is_final or self._is_speaking:
                text = (await self.transcribe(frame.pcm)).strip()
        finally:
            if not frame.is_final:
                self._is_interim_pending = False
        if frame.is_final:
            self.report_metric("ttfb_secs", clock.now() - started_at)
        if not text or not (frame.is_final or self._is_speaking):
            return
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        kind = TranscriptionFrame if frame.is_final else InterimTranscriptionFrame
        self.push(kind(text, self._user_id, timestamp))

    def _listen(self, frame: InputAudioRawFrame) -> None:
        pcm = self._normalizer.process(frame.audio, frame.sample_rate, frame.num_channels)
        self._keep(pcm)
        if not self._is_speaking:
            # Whole chunks: a long one may hold the speech that is yet to be noticed.
            while self._kept_bytes - len(self._chunks[0]) > self._preroll_bytes:
                self._kept_bytes -= len(self._chunks.popleft())
            return
        self._new_bytes += len(pcm)
        if self._kept_bytes > self._max_segment_bytes:
            self._post_segment(is_final=True)
        elif (
            self._interim_bytes is not None
            and self._new_bytes >= self._interim_bytes
            and not self._is_interim_pending
        ):
            self._is_interim_pending = True
            self._post_segment(is_final=False)

    def _keep(self, pcm: bytes) -> None:
        self._kept_bytes += len(pcm)
        if self._chunks and len(self._chunks[-1]) < self._min_chunk_bytes:
            self._chunks[-1] += pcm
        else:
            self._chunks.append(bytearray(pcm))

    def _post_segment(self, *, is_final: bool) -> None:
        self._new_bytes = 0
        pcm = b"".join(self._chunks)
        if is_final:
            self._chunks.clear()
            self._kept_bytes = 0
        if pcm:  # Nothing is left of a stretch that came in one message with the one before.
            self._post(_SegmentFrame(pcm, is_final))

    def _forget(self) -> None:
        """Begin with nothing: the caller is a new one."""
        self._normalizer = StreamNormalizer(self.sample_rate, 1)
        self._chunks: deque[bytearray] = deque()
        self._kept_bytes = 0
        self._new_bytes = 0
        self._is_speaking = False
        self._is_interim_pending = False

    def _num_bytes(self, secs: float) -> int:
        return num_bytes(secs, self.sample_rate, 1)
