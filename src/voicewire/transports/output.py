"""The last processor of a pipeline: what goes to a client."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from voicewire.frames import (
    BotSpeechCutFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFUrgentFrame,
    OutputTransportMessageUrgentFrame,
    SpokenSentence,
    StartFrame,
    SystemFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor, ProcessorSetup
from voicewire.transports.turn_watch import TurnWatch

if TYPE_CHECKING:
    from voicewire.transports.base import BaseTransport

logger = logging.getLogger(__name__)

DOWNSTREAM = FrameDirection.DOWNSTREAM
UPSTREAM = FrameDirection.UPSTREAM


class OutputTransport(InlineProcessor):
    """The last processor: sends what has a place on the wire, and lets every frame go on.

    Attributes:
        turns: Whether somebody's turn is under way.
    """

    def __init__(self, transport: "BaseTransport", *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.turns = TurnWatch()
        self._transport = transport
        self._is_audio_enabled = transport.params.audio_out_enabled
        self._has_warned_of_mute = False

    @property
    def is_set_up(self) -> bool:
        return self._setup is not None

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await self._transport.open(setup)

    async def cleanup(self) -> None:
        await self._transport.shut()

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is UPSTREAM:
            self.push(frame, UPSTREAM)
        elif isinstance(frame, OutputAudioRawFrame):
            self._put_audio(frame)
        elif isinstance(frame, SystemFrame):
            self._watch_turns(frame)
            action = _SYSTEM_ACTIONS.get(type(frame))
            if action is not None:
                action(self, frame)
            self.push(frame)
        else:
            self._put(frame)

    def on_sent(self, frame: Frame) -> None:
        if isinstance(frame, EndFrame):
            self._transport.end(1000, "the conversation is over")
        self.push(frame)

    def on_bot_started(self) -> None:
        self._watch_turns(BotStartedSpeakingFrame())
        self.push(BotStartedSpeakingFrame())
        self.push(BotStartedSpeakingFrame(), UPSTREAM)

    def on_bot_stopped(self, *, interrupted: bool, played_secs: float) -> None:
        self._watch_turns(BotStoppedSpeakingFrame(interrupted=interrupted, played_secs=played_secs))
        for direction in (DOWNSTREAM, UPSTREAM):
            self.push(
                BotStoppedSpeakingFrame(interrupted=interrupted, played_secs=played_secs), direction
            )

    def on_speech_cut(self, sentences: Sequence[SpokenSentence]) -> None:
        for direction in (DOWNSTREAM, UPSTREAM):
            self.push(BotSpeechCutFrame(sentences), direction)

    def on_output_error(self, message: str, exception: Exception) -> None:
        self.report_error(message, exception)

    def _put_audio(self, frame: OutputAudioRawFrame) -> None:
        outbound = self._transport.outbound
        if not self._is_audio_enabled and not self._has_warned_of_mute:
            self._has_warned_of_mute = True
            logger.warning("%s drops all audio without audio_out_enabled=True", self.name)
        if outbound is not None and self._is_audio_enabled:
            outbound.put(frame)
        else:
            self._transport.stats.audio_out_dropped_secs += frame.duration_secs

    def _watch_turns(self, frame: Frame) -> None:
        if self.turns.cares_about(type(frame)):
            self.turns.see(frame, now=self._require_setup().clock.now())

    def _put(self, frame: Frame) -> None:
        self._watch_turns(frame)
        outbound = self._transport.outbound
        if outbound is None:
            self.on_sent(frame)
        else:
            outbound.put(frame)

    def _on_start(self, frame: Frame) -> None:
        self._transport.begin()

    def _on_cancel(self, frame: Frame) -> None:
        if self._transport.outbound is not None:
            self._transport.outbound.close()
        self._transport.end(1001, "the server ends the conversation")

    def _on_client_disconnected(self, frame: Frame) -> None:
        self._transport.forgotten()

    def _on_interruption(self, frame: InterruptionFrame) -> None:
        if self._transport.outbound is not None:
            self._transport.outbound.interrupt(frame)

    def _on_urgent(self, frame: Frame) -> None:
        if self._transport.outbound is not None:
            self._transport.outbound.send_now(frame)


_SYSTEM_ACTIONS: dict[type[Frame], Callable[[OutputTransport, Any], None]] = {
    StartFrame: OutputTransport._on_start,
    CancelFrame: OutputTransport._on_cancel,
    ClientDisconnectedFrame: OutputTransport._on_client_disconnected,
    InterruptionFrame: OutputTransport._on_interruption,
    OutputTransportMessageUrgentFrame: OutputTransport._on_urgent,
    OutputDTMFUrgentFrame: OutputTransport._on_urgent,
}
