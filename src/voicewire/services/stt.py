"""Speech-to-text."""

import asyncio
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from voicewire.audio.pcm import num_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.errors import ServiceError
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    STTUpdateSettingsFrame,
    SystemFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.services.base import Service, ServiceSettings

PREROLL_SECS = 0.7
"""Audio kept from before speech was noticed: VAD's usual 0.2 s, and a soft first consonant."""

INTERIM_SECS = 1.0
"""New speech between two interim transcriptions."""

MIN_CHUNK_SECS = 0.02
"""Smaller pieces of audio are kept as one: however small a client's messages, memory is bounded."""

MAX_SEGMENT_SECS = 60.0
"""Speech without a pause is transcribed piece by piece, each this long at most."""

TRANSCRIBE_SECS = 30.0
"""How long a transcription may take; one that hangs must not keep those behind it for ever."""

COMMIT_SECS = 10.0
"""In a turn longer than this, what has been said up to a pause is transcribed for good: so the rest
costs no more than its own length."""


class STTSettings(ServiceSettings):
    """What can be changed of speech-to-text in mid-call."""

    language: str | None = None
    """ISO 639 code of what is spoken; None leaves it to the service."""


class STTService(Service[STTSettings]):
    """Hears what the caller says. Microphone audio passes by without waiting.

    Args:
        sample_rate: Hertz that the service wants; the pipeline's audio is resampled to it.
        settings: What can be changed in mid-call.
        user_id: Who speaks, for the frames.
        name: For logs.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        settings: STTSettings | None = None,
        user_id: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(settings or STTSettings(), name=name)
        self.sample_rate = sample_rate
        self._user_id = user_id
        self._normalizer = StreamNormalizer(sample_rate, 1)

    def push_transcription(
        self, text: str, *, is_final: bool, language: str | None = None, result: Any = None
    ) -> None:
        """Push what was heard; nothing if it is empty."""
        text = text.strip()
        if text:
            kind = TranscriptionFrame if is_final else InterimTranscriptionFrame
            timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.push(
                kind(text, self._user_id, timestamp, language or self.settings.language, result)
            )

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, STTUpdateSettingsFrame):
            await self._update(frame)
            self.push(frame, direction)

    def _to_service(self, frame: InputAudioRawFrame) -> bytes:
        """Return microphone audio as the service wants it: mono s16le at `sample_rate`."""
        return self._normalizer.process(frame.audio, frame.sample_rate, frame.num_channels)


@dataclass(eq=False)
class _Take:
    """The caller's turn so far, as it stood at a pause."""

    pcm: bytes
    is_final: bool = False
    """Whether that was all of it: the turn is over."""
    is_stale: bool = False
    """Whether the caller has gone on since."""
    text: str | None = None
    """What is said in it, once that is known."""


@dataclass(slots=True, eq=False)
class _SegmentFrame(SystemFrame):
    """Speech to transcribe; a system frame, so that an interruption does not lose words.

    Attributes:
        take: The speech.
        is_pause: Whether the caller has paused behind it, or it is a look at what is being said.
    """

    take: _Take
    is_pause: bool


class SegmentedSTTService(STTService):
    """Transcribes the caller's turns as voice activity detection marks them.

    Subclasses override `transcribe`. While the caller speaks, the turn so far is transcribed every
    `interim_secs`, and again at each pause, into an `InterimTranscriptionFrame`; so the text is
    ready when the turn turns out to be over, and becomes a `TranscriptionFrame`.

    Args:
        sample_rate: Hertz that `transcribe` wants; the pipeline's audio is resampled to it.
        interim_secs: New speech between two interim transcriptions; None makes none.
        settings: What can be changed in mid-call.
        user_id: Who speaks, for the frames.
        name: For logs.
    """

    handles = (_SegmentFrame, STTUpdateSettingsFrame)

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        interim_secs: float | None = INTERIM_SECS,
        settings: STTSettings | None = None,
        user_id: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(sample_rate=sample_rate, settings=settings, user_id=user_id, name=name)
        self._min_chunk_bytes = self._num_bytes(MIN_CHUNK_SECS)
        self._preroll_bytes = self._num_bytes(PREROLL_SECS)
        self._commit_bytes = self._num_bytes(COMMIT_SECS)
        self._max_segment_bytes = self._num_bytes(MAX_SEGMENT_SECS)
        self._interim_bytes = None if interim_secs is None else self._num_bytes(interim_secs)
        self._chunks: deque[bytearray] = deque()
        self._kept_bytes = self._new_bytes = 0
        self._is_speaking = self._is_in_turn = self._is_interim_pending = False
        self._take: _Take | None = None  # At the last pause, until the caller goes on.
        self._glance: _Take | None = None  # At what is being said.
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
            self._drop_take()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            if self._is_speaking:
                self._is_speaking = False
                self._post_pause(
                    is_final=not self._is_in_turn or self._kept_bytes > self._commit_bytes
                )
        elif isinstance(frame, UserStartedSpeakingFrame):
            self._is_in_turn = True
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._is_in_turn = False
            self._end_turn()
        elif isinstance(frame, ClientConnectedFrame | ClientDisconnectedFrame):
            self._forget()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if not isinstance(frame, _SegmentFrame):
            await super().process_frame(frame, direction)
            return
        take = frame.take
        clock = self._require_setup().clock
        started_at = clock.now()
        text = ""
        try:
            if not take.is_stale:
                text = await self._transcribe_in_time(take.pcm)
        finally:
            if not frame.is_pause:
                self._is_interim_pending = False
        take.text = text
        if take.is_final:
            self.report_metric("ttfb_secs", clock.now() - started_at)
        if not take.is_stale:
            self.push_transcription(text, is_final=take.is_final)

    async def _transcribe_in_time(self, pcm: bytes) -> str:
        try:
            async with asyncio.timeout(TRANSCRIBE_SECS):
                return await self.transcribe(pcm)
        except TimeoutError as exc:
            raise ServiceError(f"no transcription for {TRANSCRIBE_SECS:g} s") from exc

    def _listen(self, frame: InputAudioRawFrame) -> None:
        pcm = self._to_service(frame)
        self._keep(pcm)
        if not self._is_speaking:
            # Whole chunks: a long one may hold the speech that is yet to be noticed.
            oldest = 0 if self._take is None else 1  # The first one is what was said before.
            taken_bytes = len(self._chunks[0]) if oldest else 0
            while self._kept_bytes - taken_bytes - len(self._chunks[oldest]) > self._preroll_bytes:
                self._kept_bytes -= len(self._chunks[oldest])
                del self._chunks[oldest]
            return
        self._new_bytes += len(pcm)
        if self._kept_bytes > self._max_segment_bytes:
            self._post(_SegmentFrame(_Take(self._take_audio(), is_final=True), is_pause=True))
        elif (
            self._interim_bytes is not None
            and self._new_bytes >= self._interim_bytes
            and not self._is_interim_pending
        ):
            self._is_interim_pending = True
            self._new_bytes = 0
            self._glance = _Take(b"".join(self._chunks))
            self._post(_SegmentFrame(self._glance, is_pause=False))

    def _post_pause(self, *, is_final: bool) -> None:
        """Transcribe what has been said up to here, for good or until the caller goes on."""
        self._drop_take()
        pcm = self._take_audio() if is_final else b"".join(self._chunks)
        self._new_bytes = 0
        if pcm:  # Nothing is left of a stretch that came in one message with the one before.
            take = _Take(pcm, is_final=is_final)
            if not is_final:
                self._take = take
                self._chunks = deque([bytearray(pcm)])
            self._post(_SegmentFrame(take, is_pause=True))

    def _end_turn(self) -> None:
        """What has been said up to the last pause was all of it."""
        if self._is_speaking:
            self._post_pause(is_final=True)
        elif self._take is not None:
            take, self._take = self._take, None
            # What comes behind it may be the beginning of the next turn, not noticed yet.
            self._kept_bytes -= len(self._chunks.popleft())
            take.is_final = True
            if take.text is not None:
                self.push_transcription(take.text, is_final=True)

    def _drop_take(self) -> None:
        for take in (self._take, self._glance):
            if take is not None:
                take.is_stale = True
        self._take = self._glance = None

    def _take_audio(self) -> bytes:
        pcm = b"".join(self._chunks)
        self._chunks.clear()
        self._kept_bytes = 0
        self._new_bytes = 0
        return pcm

    def _keep(self, pcm: bytes) -> None:
        self._kept_bytes += len(pcm)
        if self._chunks and len(self._chunks[-1]) < self._min_chunk_bytes:
            self._chunks[-1] += pcm
        else:
            self._chunks.append(bytearray(pcm))

    def _forget(self) -> None:
        """Begin with nothing: the caller is a new one."""
        self._normalizer = StreamNormalizer(self.sample_rate, 1)
        self._drop_take()
        self._take_audio()
        self._is_speaking = False
        self._is_in_turn = False
        self._is_interim_pending = False

    def _num_bytes(self, secs: float) -> int:
        return num_bytes(secs, self.sample_rate, 1)
