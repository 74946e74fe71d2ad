"""From frames to the client: audio paced just ahead of real time, everything else in its place."""

import logging
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from voicewire.audio.pcm import duration_secs, num_bytes, wav_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.clock import Clock, TimerHandle
from voicewire.errors import FrameEncodeError, QueueFullError, SessionClosed
from voicewire.frames import EndFrame, Frame, InterruptionFrame, OutputAudioRawFrame, StopFrame
from voicewire.serializers import FrameSerializer
from voicewire.transports.pacing import Pacer
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.playout import Playout
from voicewire.transports.stats import TransportStats

logger = logging.getLogger(__name__)

BOT_STOP_SECS = 0.35
"""Silence after which the bot counts as having stopped: longer than a pause between sentences."""

SHORT_CHUNK_MARGIN_SECS = 0.02
"""A piece shorter than a chunk waits for more until the client is this close to running dry."""

MAX_QUEUED_FRAMES = 10_000
"""Frames other than audio that may wait; more are refused."""

CLOSE_TRY_AGAIN_LATER = 1013
"""Close code for a client that does not read (IANA WebSocket Close Code registry)."""


class Wire(Protocol):
    """What outbound needs of a connection."""

    @property
    def is_writing_paused(self) -> bool: ...

    def send(self, message: bytes | str) -> None: ...

    def close(self, code: int = 1000, reason: str = "") -> None: ...


class OutputEvents(Protocol):
    """Whom outbound tells what happens."""

    def on_sent(self, frame: Frame) -> None:
        """A frame has had its turn: it goes on downstream."""

    def on_bot_started(self) -> None:
        """The first audio after a silence goes out."""

    def on_bot_stopped(self, *, interrupted: bool, played_secs: float) -> None:
        """The caller has heard the last of it, or was spared the rest."""

    def on_output_error(self, message: str, exception: Exception) -> None:
        """A frame could not be sent."""


@dataclass(slots=True)
class AudioRun:
    """Audio that waits, in the client's rate and channels, with nothing in between."""

    pcm: bytearray
    offset: int = 0

    def __len__(self) -> int:
        return len(self.pcm) - self.offset

    def take(self, size: int) -> bytes:
        """Remove and return the first `size` bytes, or all where there are fewer."""
        chunk = bytes(memoryview(self.pcm)[self.offset : self.offset + size])
        self.offset += len(chunk)
        return chunk


class Outbound:
    """One client's way out. Holds nothing of any other client.

    Frames go out in the order in which they came. Audio is cut into chunks and paced; any other
    frame has its turn when all audio before it has been sent, an EndFrame when it has been played.

    Args:
        params: What the transport does.
        serializer: Encodes this client's messages.
        sample_rate: Hertz that the client gets.
        wire: The connection.
        clock: The time.
        stats: Where things are counted.
        events: Told what happens.
    """

    def __init__(
        self,
        *,
        params: WebsocketServerParams,
        serializer: FrameSerializer,
        sample_rate: int,
        wire: Wire,
        clock: Clock,
        stats: TransportStats,
        events: OutputEvents,
    ) -> None:
        self._serializer = serializer
        self._add_wav_header = params.add_wav_header
        self._sample_rate = sample_rate
        self._num_channels = params.audio_out_channels
        self._chunk_bytes = num_bytes(
            params.audio_out_10ms_chunks * 0.01, sample_rate, params.audio_out_channels
        )
        self._max_queued_secs = params.audio_out_max_queued_secs
        self._max_lag_secs = params.audio_out_max_lag_secs
        self._wire = wire
        self._clock = clock
        self._stats = stats
        self._events = events
        self._converter = StreamNormalizer(sample_rate, params.audio_out_channels)
        self._pacer = Pacer(params.audio_out_lead_secs)
        self._playout = Playout()
        self._queue: deque[Frame | AudioRun] = deque()
        self._queued_audio_bytes = 0
        self._is_refusing = False
        self._is_bot_speaking = False
        self._is_pumping = False
        self._is_closed = False
        self._timer: TimerHandle | None = None
        self._lag_timer: TimerHandle | None = None

    def put(self, frame: Frame) -> None:
        """Take a frame for the client."""
        if self._is_closed:
            self._let_go(frame)
            return
        if isinstance(frame, OutputAudioRawFrame):
            self._put_audio(frame)
        else:
            if len(self._queue) >= MAX_QUEUED_FRAMES and frame.interruptible:
                self._refuse("frames", MAX_QUEUED_FRAMES)
                return
            self._flush_converter()
            self._queue.append(frame)
        self._pump()

    def send_now(self, frame: Frame) -> None:
        """Send a frame ahead of everything that waits."""
        self._send(frame)

    def interrupt(self, frame: InterruptionFrame) -> None:
        """Drop what has not been sent, and ask the client to drop what it has not played."""
        self._drop_interruptible()
        if self._is_bot_speaking:
            self._stats.interruptions += 1
            self._stop_speaking(interrupted=True)
        if self._send(frame):  # Then this client knows how to flush.
            self._pacer.flush(now=self._clock.now())
        self._pump()

    def writing_paused(self) -> None:
        """The connection takes no more for now."""
        self._cancel_timer()
        self._lag_timer = self._clock.call_later(self._max_lag_secs, self._give_up)

    def writing_resumed(self) -> None:
        """The connection takes more again: what is late goes out at once, up to the lead."""
        self._cancel_lag_timer()
        self._pump()

    def close(self) -> None:
        """The client is gone, or the pipeline ends now: drop everything but its end."""
        if self._is_closed:
            return
        self._is_closed = True
        self._cancel_timer()
        self._cancel_lag_timer()
        waiting, self._queue = self._queue, deque()
        self._count_dropped(self._queued_audio_bytes)
        self._queued_audio_bytes = 0
        if self._is_bot_speaking:
            self._stop_speaking(interrupted=True)
        for item in waiting:
            if isinstance(item, Frame):
                self._let_go(item)

    def _let_go(self, frame: Frame) -> None:
        """Drop a frame that came too late for its caller; the pipeline's own go on."""
        if isinstance(frame, OutputAudioRawFrame):
            self._stats.audio_out_dropped_secs += frame.duration_secs
        elif not frame.belongs_to_caller:
            self._events.on_sent(frame)

    def _put_audio(self, frame: OutputAudioRawFrame) -> None:
        queued_secs = duration_secs(self._queued_audio_bytes, self._sample_rate, self._num_channels)
        if queued_secs > self._max_queued_secs:
            self._stats.audio_out_dropped_secs += frame.duration_secs
            self._refuse("seconds of audio", self._max_queued_secs)
            return
        self._is_refusing = False
        self._append_pcm(
            self._converter.process(frame.audio, frame.sample_rate, frame.num_channels)
        )

    def _refuse(self, unit: str, limit: float) -> None:
        if not self._is_refusing:  # One report for each time that it fills up.
            self._is_refusing = True
            full = QueueFullError("the output", limit, unit)
            self._events.on_output_error(str(full), full)

    def _append_pcm(self, pcm: bytes) -> None:
        if not pcm:
            return
        last = self._queue[-1] if self._queue else None
        if isinstance(last, AudioRun):
            last.pcm += pcm
        else:
            self._queue.append(AudioRun(bytearray(pcm)))
        self._queued_audio_bytes += len(pcm)

    def _flush_converter(self) -> None:
        self._append_pcm(self._converter.flush())

    def _pump(self) -> None:
        """Send what is due and set the timer for what is not."""
        if self._is_pumping or self._is_closed:  # A frame on its way out may bring the next one in.
            return
        self._is_pumping = True
        self._cancel_timer()
        try:
            delay_secs = self._send_due()
        finally:
            self._is_pumping = False
        if delay_secs is not None and not self._is_closed:
            self._timer = self._clock.call_later(delay_secs, self._pump)

    def _send_due(self) -> float | None:
        """Send what is due; return the seconds until more is, or None if nothing waits."""
        while not self._is_closed and not self._wire.is_writing_paused:
            now = self._clock.now()
            buffered_secs = self._pacer.buffered_secs(now=now)
            if not self._queue:
                self._flush_converter_when_dry(buffered_secs)
                if not self._queue:
                    return self._fall_silent(now)
            item = self._queue[0]
            if isinstance(item, AudioRun):
                delay_secs = self._audio_delay(item, now, buffered_secs)
                if delay_secs > 0:
                    return delay_secs
                self._send_chunk(item, now)
            else:
                if isinstance(item, EndFrame | StopFrame) and buffered_secs > 0:
                    return buffered_secs
                self._queue.popleft()
                if isinstance(item, EndFrame | StopFrame) and self._is_bot_speaking:
                    self._stop_speaking(interrupted=False)
                self._send(item)
                self._events.on_sent(item)
        return None

    def _audio_delay(self, run: AudioRun, now: float, buffered_secs: float) -> float:
        chunk_secs = duration_secs(
            min(self._chunk_bytes, len(run)), self._sample_rate, self._num_channels
        )
        delay_secs = self._pacer.send_delay(now=now, duration_secs=chunk_secs)
        if len(run) < self._chunk_bytes and len(self._queue) == 1:
            delay_secs = max(delay_secs, buffered_secs - SHORT_CHUNK_MARGIN_SECS)
        return delay_secs

    def _send_chunk(self, run: AudioRun, now: float) -> None:
        pcm = run.take(self._chunk_bytes)
        if not len(run):
            self._queue.popleft()
        self._queued_audio_bytes -= len(pcm)
        if not self._is_bot_speaking:
            self._is_bot_speaking = True
            self._playout.begin()
            self._events.on_bot_started()
        elif self._pacer.dry_secs(now=now) > 0:
            self._stats.underruns += 1
        chunk_secs = duration_secs(len(pcm), self._sample_rate, self._num_channels)
        self._pacer.sent(now=now, duration_secs=chunk_secs)
        self._playout.sent(chunk_secs)
        frame = OutputAudioRawFrame(pcm, self._sample_rate, self._num_channels)
        if self._add_wav_header:
            wav = wav_bytes(pcm, self._sample_rate, self._num_channels)
            self._send(OutputAudioRawFrame(wav, self._sample_rate, self._num_channels))
        else:
            self._send(frame)
        self._events.on_sent(frame)

    def _flush_converter_when_dry(self, buffered_secs: float) -> None:
        """What the resampler holds back is needed when nothing else is left to play."""
        if self._is_bot_speaking and buffered_secs <= SHORT_CHUNK_MARGIN_SECS:
            self._flush_converter()

    def _fall_silent(self, now: float) -> float | None:
        """Nothing waits: return when to look again, None when the bot has stopped speaking."""
        if not self._is_bot_speaking:
            return None
        buffered_secs = self._pacer.buffered_secs(now=now)
        if buffered_secs > SHORT_CHUNK_MARGIN_SECS:
            return buffered_secs - SHORT_CHUNK_MARGIN_SECS
        remaining_secs = BOT_STOP_SECS + buffered_secs - self._pacer.dry_secs(now=now)
        if remaining_secs > 0:
            return remaining_secs
        self._stop_speaking(interrupted=False)
        return None

    def _stop_speaking(self, *, interrupted: bool) -> None:
        buffered_secs = self._pacer.buffered_secs(now=self._clock.now())
        self._is_bot_speaking = False
        self._events.on_bot_stopped(
            interrupted=interrupted,
            played_secs=self._playout.played_secs(buffered_secs=buffered_secs),
        )

    def _drop_interruptible(self) -> None:
        self._queue = deque(
            item for item in self._queue if isinstance(item, Frame) and not item.interruptible
        )
        self._count_dropped(self._queued_audio_bytes)
        self._queued_audio_bytes = 0
        self._converter = StreamNormalizer(self._sample_rate, self._num_channels)

    def _count_dropped(self, size: int) -> None:
        self._stats.audio_out_dropped_secs += duration_secs(
            size, self._sample_rate, self._num_channels
        )

    def _send(self, frame: Frame) -> bool:
        """Return whether the frame went out; most kinds have no place on the wire."""
        try:
            message = self._serializer.serialize(frame)
            if message is None:
                return False
            self._wire.send(message)
        except FrameEncodeError as exc:
            self._events.on_output_error(str(exc), exc)
            return False
        except SessionClosed:
            return False  # `close` follows.
        self._stats.messages_out += 1
        return True

    def _give_up(self) -> None:
        self._stats.lagging_clients += 1
        logger.warning("client closed: it has not read for %g s", self._max_lag_secs)
        self._wire.close(CLOSE_TRY_AGAIN_LATER, "you do not read what is sent to you")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cancel_lag_timer(self) -> None:
        if self._lag_timer is not None:
            self._lag_timer.cancel()
            self._lag_timer = None
