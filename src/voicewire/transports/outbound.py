"""From frames to the client: audio paced just ahead of real time, everything else in its place."""

import logging
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from voicewire.audio.pcm import duration_secs, num_bytes, wav_bytes
from voicewire.clock import Clock, TimerHandle
from voicewire.errors import QueueFullError
from voicewire.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    SpokenSentence,
    StopFrame,
    TTSSentenceFrame,
    TTSTextFrame,
)
from voicewire.serializers import FrameSerializer
from voicewire.transports.echo_guard import EchoGuard
from voicewire.transports.encoder import Encoder, Wire
from voicewire.transports.marks import Marks
from voicewire.transports.pacing import Pacer
from voicewire.transports.params import WebsocketParams
from voicewire.transports.player import PLAIN, Player
from voicewire.transports.playout import Playout, PlayoutReport
from voicewire.transports.send_queue import SendQueue
from voicewire.transports.spoken import Spoken
from voicewire.transports.stats import TransportStats

logger = logging.getLogger(__name__)

BOT_STOP_SECS = 0.35
"""Silence after which the bot counts as having stopped: longer than a pause between sentences."""

SHORT_CHUNK_MARGIN_SECS = 0.02
"""A piece shorter than a chunk waits for more until the client is this close to running dry."""

SHORT_CHUNK_WAIT_SECS = 0.1
"""How long it waits in any case for a source that brings pieces shorter than a chunk: a live one
leaves the client always close to running dry."""

STANDSTILL_SECS = 0.05
"""A timer that comes later than this tells of a standstill."""

CATCH_UP_SECS = 0.5
"""What a standstill has held up, of all callers, is read first: so long, and once more as long as
the timer was late. The bot of a live source has not stopped because nobody listened to it."""

TIMER_RESOLUTION_SECS = 0.001
"""What is due within this is due now: clocks' timers are no finer."""

MAX_QUEUED_FRAMES = 10_000
"""Frames other than audio that may wait; more are refused."""

CLOSE_TRY_AGAIN_LATER = 1013
"""Close code for a client that does not read, or that is one too many (IANA WebSocket Close Code
registry)."""


class OutputEvents(Protocol):
    """Whom outbound tells what happens."""

    def on_sent(self, frame: Frame) -> None:
        """A frame has had its turn: it goes on downstream."""

    def on_bot_started(self) -> None:
        """The first audio after a silence goes out."""

    def on_bot_stopped(self, *, interrupted: bool, played_secs: float) -> None:
        """The caller has heard the last of it, or was spared the rest."""

    def on_speech_cut(self, sentences: Sequence[SpokenSentence]) -> None:
        """The bot was cut off in these sentences; told again where the client knows better."""

    def on_output_error(self, message: str, exception: Exception) -> None:
        """A frame could not be sent."""


class Outbound:
    """One client's way out. Holds nothing of any other client.

    Frames go out in the order in which they came. Audio is cut into chunks and paced; any other
    frame has its turn when all audio before it has been sent, an EndFrame when it has been played.
    Nothing of the bot follows an EndFrame.

    Args:
        params: What the transport does.
        serializer: Encodes this client's messages.
        sample_rate: Hertz that the client gets.
        wire: The connection.
        clock: The time.
        stats: Where things are counted.
        events: Told what happens.
        echo_guard: Told what the client plays; None where there is none.
    """

    def __init__(
        self,
        *,
        params: WebsocketParams,
        serializer: FrameSerializer,
        sample_rate: int,
        wire: Wire,
        clock: Clock,
        stats: TransportStats,
        events: OutputEvents,
        echo_guard: EchoGuard | None = None,
    ) -> None:
        is_mono = serializer.sample_rate is not None
        self._add_wav_header = params.add_wav_header and not is_mono
        self._num_channels = 1 if is_mono else params.audio_out_channels
        self._chunk_secs = _in_packets(params.audio_out_10ms_chunks * 0.01, serializer.packet_secs)
        self._more_until = 0.0
        self._max_lag_secs = params.audio_out_max_lag_secs
        self._wire = wire
        self._clock = clock
        self._now = clock.now
        self._stats = stats
        self._events = events
        self._encoder = Encoder(serializer, wire, stats, events.on_output_error)
        self._echo_guard = echo_guard
        self._queue = SendQueue(
            sample_rate,
            self._num_channels,
            max_audio_secs=params.audio_out_max_queued_secs,
            max_frames=MAX_QUEUED_FRAMES,
        )
        self._urgent: deque[Frame] = deque()  # Only while the connection takes nothing.
        self._is_refusing = False
        self._set_sample_rate(sample_rate)
        self._flush_lead_secs = params.audio_out_flush_lead_secs
        self._pacer = Pacer(params.audio_out_lead_secs)
        if serializer.can_clear:
            self._lead_further()
        self._playout = Playout()
        self._marks = Marks() if serializer.has_marks else None
        self._spoken = Spoken()
        self._player = PLAIN
        if serializer.message_secs is not None:
            self._send_messages_of(serializer.message_secs)
        self._may_resample = params.audio_out_sample_rate is None or is_mono
        self._is_bot_speaking = False
        self._is_pumping = False
        self._is_ending = False
        self._is_closed = False
        self._timer: TimerHandle | None = None
        self._timer_due_at = 0.0
        self._stops_not_before = 0.0
        self._lag_timer: TimerHandle | None = None

    def play_on(self, player: Player) -> None:
        """Send what this player needs, from now on.

        The application's own `audio_out_sample_rate` holds, whatever the player takes it for.
        """
        self._player = player
        self._queue.padding_samples = player.block_samples - 1
        if player.sample_rate is not None and self._may_resample:
            self._set_sample_rate(player.sample_rate)
        if player.message_secs is not None:
            self._send_messages_of(player.message_secs)
        if player.flush is not None:
            self._lead_further()
        self._pump()

    def played(self, report: PlayoutReport) -> None:
        """Take note of what the client says that it has played.

        What it says of a stream that it has been told to drop is where it stopped.
        """
        self._playout.reported(report, now=self._now())
        self._tell_of_cut(self._spoken.correct(report.stream_id, report.played_secs))

    def played_mark(self, name: str) -> None:
        """Take note of a mark that the client has come to."""
        if self._marks is None:
            return
        report = self._marks.reached(
            name, stream_id=self._playout.stream_id, sent_secs=self._playout.sent_secs
        )
        if report is not None:
            self.played(report)

    def put(self, frame: Frame) -> None:
        """Take a frame for the client.

        Raises:
            ValueError: Audio in a format outside of `audio.format`'s bounds, or not of whole
                samples.
        """
        if self._is_closed or (self._is_ending and frame.belongs_to_caller):
            self._let_go(frame)
            return
        try:
            if isinstance(frame, OutputAudioRawFrame):
                if not self._queue.num_audio_bytes:
                    is_piece = len(frame.audio) < self._chunk_bytes
                    self._more_until = self._now() + SHORT_CHUNK_WAIT_SECS if is_piece else 0.0
                if not self._queue.append_audio(frame):
                    self._let_go(frame)
            else:
                self._is_ending = self._is_ending or isinstance(frame, EndFrame | StopFrame)
                self._queue.append(frame)
        except QueueFullError as full:
            self._let_go(frame)
            self._report_full(full)
        else:
            # Not as soon as one fits again: a source that is too fast is full, then not, in turns.
            self._is_refusing = self._is_refusing and not self._queue.is_half_empty
        self._pump()

    def send_now(self, frame: Frame) -> None:
        """Send a frame ahead of everything that waits."""
        if not self._wire.is_writing_paused:
            self._encoder.send(frame)
        elif len(self._urgent) < MAX_QUEUED_FRAMES:
            self._urgent.append(frame)
        else:
            self._report_full(QueueFullError("the output", MAX_QUEUED_FRAMES, "urgent frames"))

    def interrupt(self, frame: InterruptionFrame) -> None:
        """Drop what has not been sent, and ask the client to drop what it has not played."""
        now = self._now()
        waiting = self._queue.sentences()
        self._stats.audio_out_dropped_secs += self._queue.interrupt()
        position_secs = self._position_secs(now)
        is_heard = self._is_bot_speaking or self._playout.unplayed_secs(now=now) > 0
        if self._is_bot_speaking:
            self._stats.interruptions += 1
            self._stop_speaking(interrupted=True)
        is_flushed = self._encoder.send(frame)  # Where that has a place on the wire.
        if not is_flushed and self._player.flush is None:
            position_secs = self._playout.sent_secs  # What it has, it plays.
        self._tell_of_cut(self._spoken.cut(self._playout.stream_id, position_secs, waiting))
        if is_heard and self._player.flush is not None:
            self._player.flush(self._playout.flush())
            is_flushed = True
        elif is_flushed:
            self._playout.flush()
        if is_flushed:
            if self._marks is not None:
                self._marks.forget()
            self._pacer.flush(now=now)
            if self._echo_guard is not None:
                self._echo_guard.flushed()
        self._pump()

    def writing_paused(self) -> None:
        """The connection takes no more for now."""
        self._cancel_timers()
        self._lag_timer = self._clock.call_later(self._max_lag_secs, self._give_up)

    def hold(self) -> None:
        """The connection is lost, and comes back or is closed: until then it takes nothing."""
        self._cancel_timers()

    def writing_resumed(self) -> None:
        """The connection takes more again: what is late goes out at once, up to the lead."""
        self._cancel_timers()
        while self._urgent and not self._wire.is_writing_paused:
            self._encoder.send(self._urgent.popleft())
        self._pump()

    def close(self) -> None:
        """The client is gone, or the pipeline ends now: drop everything but its end."""
        if self._is_closed:
            return
        self._is_closed = True
        self._player = PLAIN
        self._cancel_timers()
        self._urgent.clear()
        position_secs = self._position_secs(self._now())
        waiting = self._queue.sentences()
        self._tell_of_cut(self._spoken.cut(self._playout.stream_id, position_secs, waiting))
        frames, dropped_secs = self._queue.clear()
        self._stats.audio_out_dropped_secs += dropped_secs
        if self._is_bot_speaking:
            self._stop_speaking(interrupted=True)
        for frame in frames:
            self._let_go(frame)

    def _lead_further(self) -> None:
        """Keep a client further ahead that drops what it has when it is told to."""
        self._pacer.lead_secs = max(self._pacer.lead_secs, self._flush_lead_secs)

    def _set_sample_rate(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._chunk_bytes = num_bytes(self._chunk_secs, sample_rate, self._num_channels)
        self._queue.convert_to(sample_rate)

    def _send_messages_of(self, secs: float) -> None:
        """Send audio in messages of one length, the last one filled with silence."""
        self._add_wav_header = False
        self._chunk_secs = secs
        self._set_sample_rate(self._sample_rate)
        self._queue.padding_samples = round(secs * self._sample_rate) - 1

    def _let_go(self, frame: Frame) -> None:
        """Drop a frame that came too late for its caller; the pipeline's own go on."""
        if isinstance(frame, OutputAudioRawFrame):
            self._stats.audio_out_dropped_secs += frame.duration_secs
        elif not frame.belongs_to_caller:
            self._events.on_sent(frame)

    def _report_full(self, full: QueueFullError) -> None:
        if not self._is_refusing:  # One report for each time that it fills up.
            self._is_refusing = True
            self._events.on_output_error(str(full), full)

    def _pump(self) -> None:
        """Send what is due and set the timer for what is not."""
        if self._is_pumping or self._is_closed:  # A frame on its way out may bring the next one in.
            return
        self._is_pumping = True
        try:
            due_at = self._send_due()
        finally:
            self._is_pumping = False
        if due_at is None or self._is_closed:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None:
            self._look_again_at(due_at)
        elif due_at < self._timer_due_at:  # One that fires before is left to look again.
            self._timer.cancel()
            self._look_again_at(due_at)

    def _look_again_at(self, due_at: float) -> None:
        self._timer_due_at = due_at
        self._timer = self._clock.call_later(due_at - self._now(), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        now = self._now()
        late_secs = now - self._timer_due_at
        if late_secs > STANDSTILL_SECS:
            self._stops_not_before = now + late_secs + CATCH_UP_SECS
        self._pump()

    def _send_due(self) -> float | None:
        """Send what is due; return when more is, or None if nothing waits."""
        while not self._is_closed and not self._wire.is_writing_paused:
            now = self._now()
            due_at = self._due_at(now)
            if due_at > now + TIMER_RESOLUTION_SECS:
                return due_at
            head = self._queue.head
            if head is None:
                if not self._is_bot_speaking:
                    return None
                self._finish_speaking(now)
            elif isinstance(head, Frame):
                self._send_frame()
            elif not self._is_bot_speaking:
                self._start_speaking(now)  # Whoever is told of it may interrupt: look again.
            else:
                self._send_chunk(now)
        return None

    def _due_at(self, now: float) -> float:
        """Return when the head of the queue, or its end, has its turn."""
        head = self._queue.head
        if isinstance(head, bytearray):
            is_short = len(head) < self._chunk_bytes
            if is_short and len(self._queue) == 1:
                # More may come. If not: when the client is close to running dry.
                if self._more_until > now:
                    return self._more_until
                latest = self._pacer.plays_until(now=now) - SHORT_CHUNK_MARGIN_SECS
                if latest > now:
                    return latest
            return now + self._pacer.send_delay(
                now=now,
                duration_secs=self._secs(len(head)) if is_short else self._chunk_secs,
                waiting_secs=self._secs(self._queue.num_audio_bytes),
            )
        if head is None and self._is_bot_speaking:
            return max(self._pacer.plays_until(now=now) + BOT_STOP_SECS, self._stops_not_before)
        if isinstance(head, EndFrame | StopFrame):
            return self._pacer.plays_until(now=now)
        return now

    def _send_frame(self) -> None:
        frame = self._queue.take_frame()
        if isinstance(frame, TTSSentenceFrame):
            self._spoken.begin(
                frame,
                sent_secs=self._playout.sent_secs,
                played_secs=self._position_secs(self._now()),
            )
        elif isinstance(frame, TTSTextFrame):
            self._spoken.end(sent_secs=self._playout.sent_secs)
        if isinstance(frame, EndFrame | StopFrame) and self._is_bot_speaking:
            self._stop_speaking(interrupted=False)
        self._encoder.send(frame)
        self._events.on_sent(frame)

    def _send_chunk(self, now: float) -> None:
        if self._pacer.dry_secs(now=now) > 0:
            self._stats.underruns += 1
        self._more_until = now + SHORT_CHUNK_WAIT_SECS if self._more_until else 0.0
        self._send_audio(self._queue.take_audio(self._chunk_bytes), now)

    def _send_audio(self, pcm: bytes, now: float) -> None:
        chunk_secs = self._secs(len(pcm))
        self._pacer.sent(now=now, duration_secs=chunk_secs)
        self._playout.sent(chunk_secs)
        if self._echo_guard is not None:
            begins_at = self._pacer.plays_until(now=now) - chunk_secs
            self._echo_guard.played(pcm, self._sample_rate, self._num_channels, begins_at=begins_at)
        frame = OutputAudioRawFrame(pcm, self._sample_rate, self._num_channels)
        if self._add_wav_header:
            wav = wav_bytes(pcm, self._sample_rate, self._num_channels)
            self._encoder.send(OutputAudioRawFrame(wav, self._sample_rate, self._num_channels))
        else:
            self._encoder.send(frame)
        self._events.on_sent(frame)
        if self._marks is not None:
            name = self._marks.next_name(self._playout.sent_secs)
            if name is not None:
                self._encoder.send_mark(name)

    def _start_speaking(self, now: float) -> None:
        self._is_bot_speaking = True
        self._pacer.begin(now=now)
        self._playout.begin()
        self._events.on_bot_started()

    def _finish_speaking(self, now: float) -> None:
        """Send the resampler's tail, if nothing has brought it out, and stop.

        Not earlier: a source that is just in time has one long stream, which must not be cut.
        """
        tail = self._queue.take_tail()
        for start in range(0, len(tail), self._chunk_bytes):
            self._send_audio(tail[start : start + self._chunk_bytes], now)
        self._stop_speaking(interrupted=False)

    def _stop_speaking(self, *, interrupted: bool) -> None:
        now = self._now()
        buffered_secs = self._pacer.buffered_secs(now=now)
        self._is_bot_speaking = False
        self._events.on_bot_stopped(
            interrupted=interrupted,
            played_secs=self._playout.played_secs(now=now, buffered_secs=buffered_secs),
        )

    def _position_secs(self, now: float) -> float:
        """Return how much of the stream the caller has heard."""
        buffered_secs = self._pacer.buffered_secs(now=now)
        return self._playout.position_secs(now=now, buffered_secs=buffered_secs)

    def _tell_of_cut(self, sentences: Sequence[SpokenSentence]) -> None:
        if sentences:
            self._events.on_speech_cut(sentences)

    def _give_up(self) -> None:
        self._stats.lagging_clients += 1
        logger.warning("client closed: it has not read for %g s", self._max_lag_secs)
        self._wire.close(CLOSE_TRY_AGAIN_LATER, "you do not read what is sent to you")

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._lag_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._lag_timer = None

    def _secs(self, size: int) -> float:
        return duration_secs(size, self._sample_rate, self._num_channels)


def _in_packets(chunk_secs: float, packet_secs: float | None) -> float:
    """Return the length of a message, as far as the wire leaves the choice."""
    if packet_secs is None:
        return chunk_secs
    return max(1, round(chunk_secs / packet_secs)) * packet_secs
