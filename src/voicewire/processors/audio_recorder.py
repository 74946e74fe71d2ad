"""Recording a conversation, both sides in time with each other."""

from math import ceil

import numpy as np

from voicewire.audio.format import format_fault
from voicewire.audio.pcm import FULL_SCALE
from voicewire.clock import TimerHandle
from voicewire.errors import ConfigurationError
from voicewire.events import EventEmitter
from voicewire.frames import (
    BotStoppedSpeakingFrame,
    CancelFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StopFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor
from voicewire.processors.event_queue import EventQueue
from voicewire.processors.recording import Recording, Stretch

MIN_BUFFER_SECS = 0.1
MAX_BUFFER_SECS = 60.0
"""A minute of both sides at 24 kHz is 6 MB."""

MAX_WAITING_SECS = 60.0
"""Audio that waits for its handlers, four stretches in any case; what comes then is dropped."""

MONO = 1
STEREO = 2

_ENDS = (EndFrame, StopFrame, CancelFrame, ClientDisconnectedFrame)


class AudioRecorder(InlineProcessor, EventEmitter):
    """Records caller and bot on one time line. Goes behind `transport.output()`.

    | Event | Arguments | When |
    |---|---|---|
    | `on_audio_data` | recorder, pcm, sample_rate, num_channels | every `buffer_secs`; the rest |
    | `on_track_audio_data` | recorder, user_pcm, bot_pcm, sample_rate, 1 | together with it |

    All is s16le. Behind the output come the bot's words as they are sent, and the caller's pass by
    where the transport passes audio in (`audio_in_passthrough`). The bot is heard when the client
    plays it; what an interruption kept from being played is not in the recording. Silence is.

    Nothing is recorded before `start_recording`. The recording ends with `stop_recording`, when the
    caller leaves and when the pipeline ends; what is left is then told. Handlers run beside the
    pipeline, one after the other; where they do not keep up, audio is dropped and counted.

    ::

        recorder = AudioRecorder(num_channels=2)

        @recorder.event_handler("on_audio_data")
        async def on_audio_data(recorder, pcm, sample_rate, num_channels):
            file.writeframes(pcm)

        @transport.event_handler("on_client_connected")
        async def on_client_connected(transport, client):
            await recorder.start_recording()

        Pipeline([transport.input(), ..., transport.output(), recorder])

    Args:
        sample_rate: Hertz of the recording; None is what the pipeline speaks at.
        num_channels: 1 mixes both sides, 2 has the caller left and the bot right.
        buffer_secs: How much is told at a time, 0.1 to 60; it comes half a second later.
        name: For logs.

    Raises:
        ConfigurationError: A parameter outside of its bounds.
    """

    def __init__(
        self,
        *,
        sample_rate: int | None = None,
        num_channels: int = MONO,
        buffer_secs: float = 10.0,
        name: str | None = None,
    ) -> None:
        InlineProcessor.__init__(self, name=name)
        EventEmitter.__init__(self, "on_audio_data", "on_track_audio_data")
        if num_channels not in (MONO, STEREO):
            raise ConfigurationError(f"num_channels is {num_channels}; expected 1 or 2")
        if not MIN_BUFFER_SECS <= buffer_secs <= MAX_BUFFER_SECS:
            raise ConfigurationError(
                f"buffer_secs is {buffer_secs}; expected {MIN_BUFFER_SECS:g}..{MAX_BUFFER_SECS:g}"
            )
        fault = None if sample_rate is None else format_fault(sample_rate, num_channels)
        if fault is not None:
            raise ConfigurationError(fault)
        self._sample_rate = sample_rate
        self._num_channels = num_channels
        self._buffer_secs = buffer_secs
        self._recording: Recording | None = None
        self._timer: TimerHandle | None = None
        self._num_refused = 0
        num_stretches = max(4, ceil(MAX_WAITING_SECS / buffer_secs))
        self._events = EventQueue(self, max_waiting=2 * num_stretches)

    @property
    def is_recording(self) -> bool:
        return self._recording is not None

    @property
    def num_dropped(self) -> int:
        """Events that were not told, because their handlers did not keep up."""
        return self._events.num_dropped

    @property
    def num_refused(self) -> int:
        """Pieces of audio that came far ahead of their time, or in a format that there is not."""
        return self._num_refused + (self._recording.num_refused if self._recording else 0)

    async def start_recording(self) -> None:
        """Record from now on; nothing happens where that is so already.

        Raises:
            RuntimeError: The pipeline does not run.
        """
        setup = self._require_setup()
        if self._recording is None:
            self._recording = Recording(
                self._rate(), buffer_secs=self._buffer_secs, now=setup.clock.now()
            )
            self._set_timer(self._recording)

    async def stop_recording(self) -> None:
        """Have what is left handled, and record no more. It does not wait for the handlers."""
        self._stop()

    async def cleanup(self) -> None:
        self._stop()
        if self._setup is not None:
            await self._events.drain(self._setup)

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, _ENDS):
            self._stop()
        self.push(frame, direction)
        if self._recording is not None and direction is FrameDirection.DOWNSTREAM:
            self._record(self._recording, frame)

    def _record(self, recording: Recording, frame: Frame) -> None:
        now = self._require_setup().clock.now()
        if isinstance(frame, InputAudioRawFrame):
            self._tell_complete(recording, now)  # After a standstill the timer is late.
            recording.hear_caller(frame.audio, frame.sample_rate, frame.num_channels, now=now)
        elif isinstance(frame, OutputAudioRawFrame):
            self._tell_complete(recording, now)
            recording.hear_bot(frame.audio, frame.sample_rate, frame.num_channels, now=now)
        elif isinstance(frame, InterruptionFrame):
            recording.cut_bot(now=now)
        elif isinstance(frame, BotStoppedSpeakingFrame):
            if frame.interrupted:
                recording.cut_bot(now=now)
            else:
                recording.bot_stopped(now=now)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        recording, self._recording = self._recording, None
        if recording is not None:
            for stretch in recording.take_rest(now=self._require_setup().clock.now()):
                self._tell(stretch)
            self._num_refused += recording.num_refused

    def _set_timer(self, recording: Recording) -> None:
        clock = self._require_setup().clock
        delay_secs = max(0.0, recording.due_secs(now=clock.now()))
        self._timer = clock.call_later(delay_secs, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        if self._recording is not None:
            self._tell_complete(self._recording, self._require_setup().clock.now())
            self._set_timer(self._recording)

    def _tell_complete(self, recording: Recording, now: float) -> None:
        while (stretch := recording.take(now=now)) is not None:
            self._tell(stretch)

    def _tell(self, stretch: Stretch) -> None:
        setup, rate = self._require_setup(), self._rate()
        pcm = _interleave(stretch) if self._num_channels == STEREO else _mix(stretch)
        self._events.put(setup, "on_audio_data", self, pcm, rate, self._num_channels)
        self._events.put(
            setup, "on_track_audio_data", self, stretch.caller, stretch.bot, rate, MONO
        )

    def _rate(self) -> int:
        return self._sample_rate or self._require_setup().start.audio_out_sample_rate


def _interleave(stretch: Stretch) -> bytes:
    """Return stereo s16le: the caller left, the bot right."""
    sides = [np.frombuffer(pcm, "<i2") for pcm in stretch]
    return bytes(np.stack(sides, axis=1).data)


def _mix(stretch: Stretch) -> bytes:
    """Return mono s16le: both sides, clipped where they are too loud together."""
    caller, bot = (np.frombuffer(pcm, "<i2").astype(np.int32) for pcm in stretch)
    return bytes(np.clip(caller + bot, -FULL_SCALE, FULL_SCALE - 1).astype("<i2").data)
