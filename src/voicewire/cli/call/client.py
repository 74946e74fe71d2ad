"""A call: a WebSocket client that sends a microphone's audio in real time and listens."""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum

from websockets.frames import CloseCode

from voicewire.cli.call.conversation import Conversation, Manners, Question, Step
from voicewire.cli.call.devices import Headset
from voicewire.cli.call.events import BadMessage, CallEvent, Closed, Connected, Message
from voicewire.cli.call.microphone import MESSAGE_SECS, Microphone
from voicewire.cli.call.playback import Playback
from voicewire.cli.call.recorder import ReplyRecorder
from voicewire.cli.call.sound import Sound
from voicewire.cli.call.speech_span import find_speech
from voicewire.cli.console import EXIT_USAGE, CommandError
from voicewire.clock import Clock
from voicewire.errors import (
    ConfigurationError,
    ConnectError,
    FrameDecodeError,
    SessionClosed,
)
from voicewire.frames import (
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    TextFrame,
    TranscriptionFrame,
)
from voicewire.serializers import ProtobufFrameSerializer
from voicewire.transports.connection import Connection
from voicewire.transports.outgoing import connect
from voicewire.transports.settings import ConnectionSettings

SETTINGS = ConnectionSettings(max_message_bytes=64 << 20)
"""Of a caller who takes whatever a bot sends, and tells of it."""


class Outcome(Enum):
    """How a call ended."""

    ANSWERED = "every question was answered"
    NO_ANSWER = "the last question was not answered in time"
    CUT_OFF = "the connection was closed before every question was answered"


SILENT_MICROPHONE_RATE = 16000
"""Hertz of the silence before the first recording where there is none."""


class Call:
    """One call, from the connection to the end of it.

    Args:
        url: The server.
        sounds: What to ask.
        manners: How.
        headset: A real microphone and loudspeakers instead; None plays the sounds.
        recorder: Records the bot and is closed with the call; None for nobody.
        report: Gets each event.
        clock: The time.
    """

    def __init__(
        self,
        url: str,
        sounds: Sequence[Sound],
        *,
        manners: Manners,
        headset: Headset | None,
        recorder: ReplyRecorder | None,
        report: Callable[[CallEvent], None],
        clock: Clock,
    ) -> None:
        self._url = url
        self._sounds = list(sounds)
        self._headset = headset
        self._report = report
        self._clock = clock
        first = sounds[0] if sounds else Sound(b"", SILENT_MICROPHONE_RATE, 1)
        self._microphone = Microphone(first.sample_rate, first.num_channels)
        self._questions = [Question(s.name, s.duration_secs, find_speech(s)) for s in sounds]
        self._manners = manners
        self._recorder = recorder
        self._serializer = ProtobufFrameSerializer()
        self._playback = Playback()
        self._conversation = Conversation(self._questions, manners, now=clock.now())
        self._begun_at = clock.now()
        self._has_hung_up = False

    async def run(self) -> Outcome:
        """Make the call.

        Raises:
            CommandError: There is no such server.
        """
        connection = await self._connect()
        self._begun_at = self._clock.now()
        if self._recorder is not None:
            self._recorder.begin(self._begun_at)
        self._conversation = Conversation(self._questions, self._manners, now=self._begun_at)
        self._report(Connected(0.0, self._url))
        connection.start(self)
        try:
            outcome = await self._speak(connection)
        except SessionClosed:
            is_answered = self._conversation.is_answered
            outcome = Outcome.ANSWERED if is_answered else Outcome.CUT_OFF
        finally:
            self._has_hung_up = connection.is_open
            connection.close()
            self._finish()
        await connection.wait_closed()
        return outcome

    # What the connection tells.

    def message_received(self, message: bytes | str) -> None:
        try:
            self._take(message)
        except FrameDecodeError as exc:
            self._report(BadMessage(self._clock.now() - self._begun_at, str(exc)))
        self._note_events()

    def writing_paused(self) -> None:
        """`_speak` waits until it goes on."""

    def writing_resumed(self) -> None:
        """`_speak` goes on."""

    def connection_closed(self, code: int, reason: str) -> None:
        by = "client" if self._has_hung_up else "server"
        if code == CloseCode.ABNORMAL_CLOSURE:
            by = "network"
        self._report(Closed(self._clock.now() - self._begun_at, code, reason, by))

    async def _connect(self) -> Connection:
        try:
            return await connect(self._url, settings=SETTINGS, clock=self._clock)
        except ConfigurationError as exc:
            fault = "expected a WebSocket address, such as ws://localhost:8765"
            raise CommandError(f"{self._url}: {fault}", exit_code=EXIT_USAGE) from exc
        except ConnectError as exc:
            raise CommandError(f"{self._url}: {exc}") from exc

    def _finish(self) -> None:
        """Let what has come be heard to its end."""
        self._note_events()
        if self._recorder is not None:
            for piece in self._playback.played(now=self._playback.ends_at):
                self._recorder.add(piece)
            self._recorder.close()

    def report_summary(self) -> None:
        """Report what has come of the questions so far."""
        self._report(self._conversation.summary(now=self._clock.now()))

    async def _speak(self, connection: Connection) -> Outcome:
        """Send the microphone's audio until the call is over.

        The schedule is absolute. A microphone sends what it has recorded: a message goes out when
        the last of its samples is due.

        Raises:
            SessionClosed: The server has hung up, or is gone.
        """
        num_sent = 0
        while True:
            recorded_at = self._begun_at + num_sent * MESSAGE_SECS
            await asyncio.sleep(recorded_at + MESSAGE_SECS - self._clock.now())
            self._note_playback()
            step = self._conversation.next_step(now=recorded_at)
            self._note_events()
            if step is Step.ASK:
                self._microphone.play(self._sounds.pop(0))
            elif step is not Step.WAIT:
                return Outcome.ANSWERED if step is Step.HANG_UP else Outcome.NO_ANSWER
            sound = self._next_sound()
            num_sent += 1
            if sound is not None:
                frame = OutputAudioRawFrame(sound.pcm, sound.sample_rate, sound.num_channels)
                message = self._serializer.serialize(frame)
                assert message is not None  # noqa: S101 - audio has a place on this wire
                await connection.wait_writable()
                connection.send(message)

    def _next_sound(self) -> Sound | None:
        if self._headset is None:
            return self._microphone.next_message()
        return self._headset.recorded()

    def _take(self, message: bytes | str) -> None:
        now = self._clock.now()
        frame = self._serializer.deserialize(message)
        if isinstance(frame, InputAudioRawFrame):
            sound = Sound(frame.audio, frame.sample_rate, frame.num_channels)
            self._playback.take(sound, now=now)
            self._conversation.audio_came(now=now, ends_at=self._playback.ends_at)
            if self._headset is not None:
                self._headset.play(sound)
        elif isinstance(frame, TranscriptionFrame):
            self._conversation.transcript_came(frame.text, now=now)
        elif isinstance(frame, TextFrame):
            self._conversation.text_came(frame.text, now=now)
        elif isinstance(frame, InterruptionFrame):
            self._playback.flush(now=now)
            self._conversation.audio_flushed(now=now)
            if self._headset is not None:
                self._headset.flush()
        elif isinstance(frame, InputTransportMessageFrame):
            self._report(Message(now - self._begun_at, frame.message))

    def _note_playback(self) -> None:
        for piece in self._playback.played(now=self._clock.now()):
            if self._recorder is not None:
                self._recorder.add(piece)

    def _note_events(self) -> None:
        for event in self._conversation.take_events():
            self._report(event)
