"""What happens in a session, line by line, without anything that was said."""

from collections.abc import Callable
from typing import Any

from voicewire.clock import Clock
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.pipeline.processor import Processor
from voicewire.transports import ClientConnection
from voicewire.transports.input import InputTransport
from voicewire.transports.output import OutputTransport
from voicewire.transports.websocket import WebsocketTransport


class SessionLog:
    """Watches the two ends of one caller's transport, whatever pipeline a bot puts between them.

    Args:
        transport: What to watch, before the bot gets it.
        say: Gets each line.
        clock: The time.
    """

    def __init__(
        self, transport: WebsocketTransport, *, say: Callable[[str], None], clock: Clock
    ) -> None:
        self._transport = transport
        self._say = say
        self._clock = clock
        # An application may let callers in by a secret path; a log is no place for it.
        self._known_paths = {"/", "/ws", *getattr(transport.params, "dialects", ())}
        self._connected_at = 0.0
        self._caller_started_at: float | None = None
        self._last_word_at: float | None = None
        from_input: dict[type[Frame], Callable[[Any], None]] = {
            UserStartedSpeakingFrame: self._on_caller_started,
            VADUserStoppedSpeakingFrame: self._on_voice_ended,
            UserStoppedSpeakingFrame: self._on_caller_stopped,
        }
        from_output: dict[type[Frame], Callable[[Any], None]] = {
            TranscriptionFrame: self._on_transcript,
            LLMFullResponseStartFrame: self._on_answer,
            BotStartedSpeakingFrame: self._on_bot_started,
            BotStoppedSpeakingFrame: self._on_bot_stopped,
        }
        self._actions: dict[type[Processor], dict[type[Frame], Callable[[Any], None]]] = {
            InputTransport: from_input,
            OutputTransport: from_output,
        }
        transport.watch(self._on_push)
        transport.add_event_handler("on_client_connected", self._on_connected)
        transport.add_event_handler("on_client_disconnected", self._on_disconnected)
        transport.add_event_handler("on_session_timeout", self._on_session_timeout)

    def _on_push(
        self, source: Processor, to: Processor, frame: Frame, direction: FrameDirection
    ) -> None:
        if direction is FrameDirection.DOWNSTREAM:
            action = self._actions[type(source)].get(type(frame))
            if action is not None:
                action(frame)

    async def _on_connected(self, transport: WebsocketTransport, client: ClientConnection) -> None:
        self._connected_at = self._clock.now()
        host, port = client.remote_address
        path = repr(client.path) if client.path in self._known_paths else "not shown"
        who = f", as {client.identity.subject!r}" if client.identity is not None else ""
        self._say(f"client connected: {client.id}, from {host}:{port}, path {path}{who}")

    async def _on_disconnected(
        self, transport: WebsocketTransport, client: ClientConnection
    ) -> None:
        lasted_secs = self._clock.now() - self._connected_at
        stats = transport.stats
        self._say(
            f"client disconnected: {client.id}, after {lasted_secs:.1f} s; "
            f"messages: {stats.messages_in} received, {stats.messages_refused.total()} refused, "
            f"{stats.messages_out} sent"
        )

    async def _on_session_timeout(
        self, transport: WebsocketTransport, client: ClientConnection
    ) -> None:
        self._say(f"session timeout: {client.id} has sent nothing")

    def _on_caller_started(self, frame: UserStartedSpeakingFrame) -> None:
        self._caller_started_at = self._clock.now()
        self._last_word_at = None
        self._say("caller started speaking")

    def _on_voice_ended(self, frame: VADUserStoppedSpeakingFrame) -> None:
        self._last_word_at = self._clock.now() - frame.stop_secs

    def _on_caller_stopped(self, frame: UserStoppedSpeakingFrame) -> None:
        if self._caller_started_at is None:
            self._say("caller stopped speaking")
        else:
            lasted_secs = self._clock.now() - self._caller_started_at
            self._say(f"caller stopped speaking, after {lasted_secs:.1f} s")

    def _on_transcript(self, frame: TranscriptionFrame) -> None:
        self._say(f"transcript: {len(frame.text.split())} words, {len(frame.text)} characters")

    def _on_answer(self, frame: LLMFullResponseStartFrame) -> None:
        self._say("answer begins")

    def _on_bot_started(self, frame: BotStartedSpeakingFrame) -> None:
        if self._last_word_at is None:
            self._say("bot started speaking")
            return
        waited_ms = 1000 * (self._clock.now() - self._last_word_at)
        self._last_word_at = None
        self._say(f"bot started speaking, {waited_ms:.0f} ms after the caller's last word")

    def _on_bot_stopped(self, frame: BotStoppedSpeakingFrame) -> None:
        how = "was interrupted" if frame.interrupted else "stopped speaking"
        self._say(f"bot {how}, after {frame.played_secs:.1f} s")
