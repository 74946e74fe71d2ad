"""From the client's messages to frames: decode, bring audio into shape, listen for speech."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from voicewire.audio.pcm import duration_secs, mix_channels
from voicewire.audio.resample import StreamNormalizer
from voicewire.clock import Clock
from voicewire.errors import FrameDecodeError
from voicewire.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    PlayoutMarkFrame,
    PlayoutPositionFrame,
    TextFrame,
)
from voicewire.serializers import FrameSerializer
from voicewire.transports.echo_guard import EchoGuard
from voicewire.transports.params import TransportParams
from voicewire.transports.playout import PlayoutReport
from voicewire.transports.stats import TransportStats
from voicewire.vad import VADEvent, VADStream

logger = logging.getLogger(__name__)

MAX_SAMPLE_RATES = 8
"""Different rates that one client may send. Each new one costs a filter, 2 ms of the event loop."""

MIN_MESSAGE_SECS = 0.002
"""What a message counts as at least, however short its audio: so many a second are read."""

OTHER_BYTES_PER_SEC = 32_000
"""What messages without audio count as: as much as 16 kHz audio of their length."""


class Visit(Protocol):
    """Acts on what clients ask for in messages: RTVI, or OpenAI's Realtime API."""

    def take(self, content: Any) -> list[Frame] | None:
        """Return what goes into the pipeline; None for a message that is none of theirs."""
        ...

    def close(self) -> None:
        """Forget the client."""
        ...


class Inbound:
    """One client's way in. Holds nothing of any other client.

    Args:
        params: What the transport does.
        serializer: Decodes this client's messages.
        clock: The time.
        stats: Where refused messages are counted.
        push: Gets each frame that goes downstream.
        on_vad_event: Told when the caller starts and stops to speak.
        on_mark: Told when the client has played what was sent before a mark.
        on_playout: Told how far the client has played.
        reply: Sends what the wire itself answers.
        visit: Acts on what the client asks for; None where messages are nothing special.
        echo_guard: Hears what voice activity detection hears; None where there is none.
    """

    def __init__(
        self,
        *,
        params: TransportParams,
        serializer: FrameSerializer,
        clock: Clock,
        stats: TransportStats,
        push: Callable[[Frame], None],
        on_vad_event: Callable[[VADEvent], None],
        on_mark: Callable[[str], None],
        on_playout: Callable[[PlayoutReport], None],
        reply: Callable[[bytes | str], None],
        visit: Visit | None = None,
        echo_guard: EchoGuard | None = None,
    ) -> None:
        self._serializer = serializer
        self._params = params
        self._is_audio_enabled = params.audio_in_enabled
        self._passes_audio = params.passes_audio_in
        self._stats = stats
        self._push = push
        self._on_mark = on_mark
        self._on_playout = on_playout
        self._reply = reply
        self._visit = visit
        self._echo_guard = echo_guard
        self._converter = StreamNormalizer(params.audio_in_sample_rate, params.audio_in_channels)
        self._sample_rates: set[int] = set()
        self._refused_kinds: set[str] = set()
        self._vad = None
        if params.vad_analyzer is not None:
            self._vad = params.vad_analyzer.open(params.audio_in_sample_rate, on_vad_event, clock)
            self._vad.on_progress = self._pass_judged
        # Each with the bytes that voice activity detection gets of it.
        self._held: deque[tuple[InputAudioRawFrame, int]] = deque()
        self._held_bytes = 0

    def take(self, message: bytes | str) -> float:
        """Decode a message and act on it; return how many seconds of the client's time it counts.

        A bad one is counted and logged, and that is all.
        """
        self._stats.messages_in += 1
        try:
            frame = self._deserialize(message)
            if isinstance(frame, InputAudioRawFrame):
                return self._take_audio(frame)
            audio_secs = 0.0 if frame is None else self._take_other(frame)
            if audio_secs:
                return audio_secs
        except FrameDecodeError as exc:
            self._refuse(exc)
        for answer in self._serializer.take_replies():
            self._reply(answer)
        return max(MIN_MESSAGE_SECS, len(message) / OTHER_BYTES_PER_SEC)

    def wait_for_audio(self, secs: float) -> None:
        """Know that the client sends audio all the time, and what is missing will come."""
        if self._vad is not None:
            self._vad.wait_for_audio(secs)

    def wait_for_late_audio(self, secs: float) -> None:
        """Know that what is missing from now on will come, until there is audio again."""
        if self._vad is not None:
            self._vad.wait_for_late_audio(secs)

    def close(self) -> None:
        """Forget the client; nothing of it is emitted any more."""
        if self._vad is not None:
            self._vad.close()
            self._pass_judged()
        if self._visit is not None:
            self._visit.close()

    def _deserialize(self, message: bytes | str) -> Frame | None:
        try:
            return self._serializer.deserialize(message)
        except FrameDecodeError:
            raise
        except Exception as exc:
            # Somebody's own serializer. What it says of the message may quote it: not for a log.
            raise FrameDecodeError(
                "serializer_failed",
                f"{type(exc).__name__} in {type(self._serializer).__name__}.deserialize",
            ) from exc

    def _take_other(self, frame: Frame) -> float:
        """Act on what is no audio; return the seconds of audio that are in it all the same."""
        if isinstance(frame, PlayoutMarkFrame):
            self._on_mark(frame.mark)
            return 0.0
        if isinstance(frame, PlayoutPositionFrame):
            self._on_playout(PlayoutReport(frame.stream_id, frame.played_secs, frame.buffered_secs))
            return 0.0
        if isinstance(frame, TextFrame) and not self._params.text_in_enabled:
            raise FrameDecodeError(
                "text_not_enabled",
                f"{type(frame).__name__} from a client; set text_in_enabled=True to take it",
            )
        if isinstance(frame, InputTransportMessageFrame) and self._visit is not None:
            asked = self._visit.take(frame.message)
            if asked is not None:
                return sum(map(self._take_asked, asked))
        self._push(frame)
        return 0.0

    def _take_asked(self, frame: Frame) -> float:
        if isinstance(frame, InputAudioRawFrame):
            return self._take_audio(frame)
        self._push(frame)
        return 0.0

    def _convert(self, frame: InputAudioRawFrame) -> None:
        """Bring audio to the pipeline's format."""
        if frame.sample_rate not in self._sample_rates:
            if len(self._sample_rates) == MAX_SAMPLE_RATES:
                raise FrameDecodeError(
                    "too_many_rates",
                    f"audio: a further sample rate, after {MAX_SAMPLE_RATES} others; "
                    "expected one of those",
                )
            self._sample_rates.add(frame.sample_rate)
        converter = self._converter
        try:
            frame.audio = converter.process(frame.audio, frame.sample_rate, frame.num_channels)
        except ValueError as exc:
            raise FrameDecodeError("audio_format", f"audio: {exc}") from exc
        frame.sample_rate = converter.sample_rate
        frame.num_channels = converter.num_channels

    def _take_audio(self, frame: InputAudioRawFrame) -> float:
        secs = duration_secs(len(frame.audio), frame.sample_rate, frame.num_channels)
        if self._is_audio_enabled:
            self._convert(frame)
            if frame.audio:  # Otherwise the resampler waits for more.
                if self._vad is None:
                    self._pass(frame)
                else:
                    self._take_heard(frame, self._vad)
        return secs if secs > MIN_MESSAGE_SECS else MIN_MESSAGE_SECS

    def _refuse(self, error: FrameDecodeError) -> None:
        self._stats.messages_refused[error.kind] += 1
        # One line for each kind of fault and client: a flood must not become a flood of lines.
        if error.kind not in self._refused_kinds:
            self._refused_kinds.add(error.kind)
            logger.warning("message refused (%s): %s", error.kind, error)

    def _take_heard(self, frame: InputAudioRawFrame, vad: VADStream) -> None:
        """Pass on audio no further ahead of its judgement than usual.

        Audio can come much faster than it was spoken, after a stall of the network; and whoever
        waits for the beginning of speech remembers only the moment before it.
        """
        mono = mix_channels(frame.audio, frame.num_channels, 1)
        if vad.is_behind:
            self._held.append((frame, len(mono)))
            self._held_bytes += len(mono)
        else:
            self._pass(frame)
        if self._echo_guard is not None:
            self._echo_guard.heard(mono, frame.sample_rate)
        vad.feed(mono)

    def _pass_judged(self) -> None:
        assert self._vad is not None  # noqa: S101 - it calls this
        waiting_bytes = self._vad.waiting_bytes if self._vad.is_behind else 0
        while self._held and self._held_bytes - self._held[0][1] >= waiting_bytes:
            frame, num_bytes = self._held.popleft()
            self._held_bytes -= num_bytes
            self._pass(frame)

    def _pass(self, frame: InputAudioRawFrame) -> None:
        if self._passes_audio:
            self._push(frame)
