"""The first processor of a pipeline: what comes from a client."""

from typing import TYPE_CHECKING

from voicewire.frames import (
    ClientDisconnectedFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStartingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor, ProcessorSetup, Role
from voicewire.vad import VADEvent

if TYPE_CHECKING:
    from voicewire.transports.base import BaseTransport


class InputTransport(InlineProcessor):
    """The first processor: frames from the client, and what voice activity detection hears.

    Attributes:
        transport: Whose input it is.
    """

    def __init__(self, transport: "BaseTransport", *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.transport = transport
        self._is_in_turn = False

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await self.transport.open(setup)

    async def cleanup(self) -> None:
        await self.transport.shut()

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)
        if isinstance(frame, StartFrame) and not self.transport.has_output:
            self.transport.begin()

    def on_vad_event(self, event: VADEvent) -> None:
        """The caller is about to speak, has started or has stopped.

        Where nobody else decides about turns, that is a turn. An interruption goes with every
        start, whether or not the bot can be heard yet: an answer that is still being made is as
        stale as one that is being said.
        """
        setup = self._require_setup()
        analyzer = self.transport.params.vad_analyzer
        if analyzer is None:
            return
        if event is VADEvent.STARTING:
            self.push(VADUserStartingFrame(start_secs=analyzer.params.start_secs))
            return
        if event is VADEvent.STARTED:
            self.push(VADUserStartedSpeakingFrame(start_secs=analyzer.params.start_secs))
        else:
            self.push(VADUserStoppedSpeakingFrame(stop_secs=analyzer.params.stop_secs))
        if Role.TURNS in setup.roles:
            return
        self._is_in_turn = event is VADEvent.STARTED
        if self._is_in_turn:
            self.push(UserStartedSpeakingFrame())
            if setup.start.allow_interruptions:
                self.push(InterruptionFrame())
        else:
            self.push(UserStoppedSpeakingFrame())

    def caller_left(self) -> None:
        """The caller has left, perhaps in mid-sentence.

        A turn that has begun is ended, for processors that keep count. It has no
        `VADUserStoppedSpeakingFrame`: nobody needs half a sentence transcribed.
        """
        if self._is_in_turn:
            self._is_in_turn = False
            self.push(UserStoppedSpeakingFrame())
        self.push(ClientDisconnectedFrame())
