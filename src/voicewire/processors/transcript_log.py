"""Who has said what: the transcript of a conversation."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from voicewire.errors import ConfigurationError
from voicewire.events import EventEmitter
from voicewire.frames import ClientConnectedFrame, Frame, TranscriptionFrame, TTSTextFrame
from voicewire.pipeline import FrameDirection, InlineProcessor, ProcessorSetup
from voicewire.processors.event_queue import EventQueue

MAX_CHARACTERS = 1_000_000
"""Of all messages together: a single one may be as long as a client's longest."""

MAX_WAITING_EVENTS = 100
"""Updates that wait for their handlers; more are dropped. What they tell of stays in the log."""

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class TranscriptMessage:
    """Something that was said.

    Attributes:
        role: Who said it.
        content: What: of the caller a transcription, of the bot a sentence.
        timestamp: When, ISO 8601.
    """

    role: Role
    content: str
    timestamp: str


class TranscriptLog(EventEmitter):
    """Keeps what the caller has said and what the bot has said to them, in order.

    | Event | Arguments | When |
    |---|---|---|
    | `on_transcript_update` | log, list of `TranscriptMessage` | something has been said |

    Two processors write to it: `user()` goes behind speech-to-text, `assistant()` behind
    `transport.output()`, where a sentence comes when its audio has gone out. What an interruption
    cut off is not in it. It holds what was last said until the next caller comes, so that it can be
    kept when a caller leaves. One log is for one pipeline.

    ::

        log = TranscriptLog()

        @log.event_handler("on_transcript_update")
        async def on_transcript_update(log, messages):
            for message in messages:
                print(f"{message.timestamp} {message.role}: {message.content}")

        Pipeline([..., stt, log.user(), llm, tts, transport.output(), log.assistant()])

    Args:
        max_messages: How many are kept; of more, and of those of more than a million characters
            together, the oldest are dropped.

    Attributes:
        num_dropped: Messages of this caller that are no longer kept.

    Raises:
        ConfigurationError: `max_messages` is less than 1.
    """

    def __init__(self, *, max_messages: int = 1000) -> None:
        super().__init__("on_transcript_update")
        if max_messages < 1:
            raise ConfigurationError(f"max_messages is {max_messages}; expected 1 or more")
        self.num_dropped = 0
        self._max_messages = max_messages
        self._messages: deque[TranscriptMessage] = deque()
        self._num_characters = 0
        self._arrival: Frame | None = None
        self._events = EventQueue(self, max_waiting=MAX_WAITING_EVENTS)

    @property
    def messages(self) -> list[TranscriptMessage]:
        """What has been said and is kept, the oldest first. A copy."""
        return list(self._messages)

    @property
    def num_dropped_updates(self) -> int:
        """Updates that were not told, because the handlers did not keep up."""
        return self._events.num_dropped

    def user(self) -> "TranscriptWriter":
        """Return a processor that writes down what the caller says."""
        return TranscriptWriter(self, TranscriptionFrame, "user")

    def assistant(self) -> "TranscriptWriter":
        """Return a processor that writes down what the bot says."""
        return TranscriptWriter(self, TTSTextFrame, "assistant")

    def add(self, message: TranscriptMessage, setup: ProcessorSetup) -> None:
        """Take a message, and have the handlers told by a task of that session."""
        self._messages.append(message)
        self._num_characters += len(message.content)
        while len(self._messages) > self._max_messages or (
            self._num_characters > MAX_CHARACTERS and len(self._messages) > 1
        ):
            self._num_characters -= len(self._messages.popleft().content)
            self.num_dropped += 1
        self._events.put(setup, "on_transcript_update", self, [message])

    def begin(self, arrival: ClientConnectedFrame) -> None:
        """Begin with nothing, once: the frame comes by each of the processors."""
        if arrival is not self._arrival:
            self._arrival = arrival
            self._messages.clear()
            self._num_characters = 0
            self.num_dropped = 0

    async def drain(self, setup: ProcessorSetup) -> None:
        """Wait until the handlers know of all that was said, but not for long."""
        await self._events.drain(setup)


class TranscriptWriter(InlineProcessor):
    """Writes the frames of one side down in a `TranscriptLog`, which makes it."""

    def __init__(
        self,
        log: TranscriptLog,
        kind: type[TranscriptionFrame] | type[TTSTextFrame],
        role: Role,
    ) -> None:
        super().__init__(name=f"TranscriptLog {role}")
        self._log = log
        self._kind = kind
        self._role = role

    async def cleanup(self) -> None:
        if self._setup is not None:
            await self._log.drain(self._setup)

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, ClientConnectedFrame):
            self._log.begin(frame)
        elif isinstance(frame, self._kind) and direction is FrameDirection.DOWNSTREAM:
            self._write(frame)
        self.push(frame, direction)

    def _write(self, frame: TranscriptionFrame | TTSTextFrame) -> None:
        content = frame.text.strip()
        if not content:
            return
        timestamp = frame.timestamp if isinstance(frame, TranscriptionFrame) else ""
        timestamp = timestamp or datetime.now(UTC).isoformat(timespec="milliseconds")
        self._log.add(TranscriptMessage(self._role, content, timestamp), self._require_setup())
