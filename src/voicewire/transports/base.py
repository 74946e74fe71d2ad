"""The two ends of every pipeline: what comes from a client and what goes to it."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from voicewire.events import EventEmitter
from voicewire.frames import (
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
    StartFrame,
    SystemFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor, ProcessorSetup
from voicewire.pipeline.processor import Processor, PushHook
from voicewire.transports.outbound import Outbound
from voicewire.transports.params import TransportParams
from voicewire.transports.stats import TransportStats
from voicewire.vad import VADEvent

logger = logging.getLogger(__name__)

DOWNSTREAM = FrameDirection.DOWNSTREAM
UPSTREAM = FrameDirection.UPSTREAM


class BaseTransport(EventEmitter, ABC):
    """Brings callers to a pipeline: `input()` is its first processor, `output()` its last.

    The two ends are made when first asked for.

    Attributes:
        stats: What has been counted since the transport was made.
    """

    def __init__(
        self,
        *event_names: str,
        params: TransportParams,
        input_name: str | None = None,
        output_name: str | None = None,
    ) -> None:
        super().__init__(*event_names)
        self.params = params
        self.stats = TransportStats()
        self._input_name = input_name
        self._output_name = output_name
        self._input: InputTransport | None = None
        self._output: OutputTransport | None = None
        self._watchers: list[PushHook] = []

    def input(self) -> "InputTransport":
        """Return the processor that brings what the client sends."""
        if self._input is None:
            self._input = InputTransport(self, name=self._input_name)
        return self._input

    def output(self) -> "OutputTransport":
        """Return the processor that takes what the client shall get."""
        if self._output is None:
            self._output = OutputTransport(self, name=self._output_name)
        return self._output

    def watch(self, watcher: PushHook) -> None:
        """Tell `watcher` of each frame that either end pushes, once the pipeline has started.

        For those who do not make the pipeline, and so cannot give it observers. `watcher` is called
        on the stack of the push: it must not wait, nor raise.
        """
        self._watchers.append(watcher)

    def add_watchers(self, hook: PushHook | None) -> PushHook | None:
        """Return what an end calls at each push, given the pipeline's own hook."""
        hooks = [*self._watchers, *([hook] if hook is not None else [])]
        if len(hooks) <= 1:
            return hooks[0] if hooks else None

        def call_all(source: Processor, to: Processor, frame: Frame, way: FrameDirection) -> None:
            for each in hooks:
                each(source, to, frame, way)

        return call_all

    @property
    def has_output(self) -> bool:
        """Whether `output()` stands in the pipeline."""
        return self._output is not None and self._output.is_set_up

    @abstractmethod
    async def open(self, setup: ProcessorSetup) -> None:
        """Get ready, before the pipeline starts. Called by each end; the first call counts."""

    @abstractmethod
    def begin(self) -> None:
        """Let callers in: the StartFrame has come through the pipeline."""

    @abstractmethod
    def end(self, code: int, reason: str) -> None:
        """Say goodbye to the caller: the last frame has gone out."""

    @abstractmethod
    def forgotten(self) -> None:
        """Know that the pipeline has dropped what was the last caller's."""

    @abstractmethod
    async def shut(self) -> None:
        """Let go of everything. Called by each end; the first call counts."""

    @property
    @abstractmethod
    def outbound(self) -> Outbound | None:
        """The way out to the caller, None while there is none."""


class InputTransport(InlineProcessor):
    """The first processor: frames from the client, and what voice activity detection hears."""

    def __init__(self, transport: BaseTransport, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._transport = transport
        self._is_user_speaking = False

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        self._on_push = self._transport.add_watchers(setup.on_push)
        await self._transport.open(setup)

    async def cleanup(self) -> None:
        await self._transport.shut()

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)
        if isinstance(frame, StartFrame) and not self._transport.has_output:
            self._transport.begin()

    def on_vad_event(self, event: VADEvent) -> None:
        """The caller has started or stopped to speak.

        An interruption goes with every start, whether or not the bot can be heard yet: an answer
        that is still being made is as stale as one that is being said.
        """
        setup = self._require_setup()
        analyzer = self._transport.params.vad_analyzer
        if analyzer is None:
            return
        self._is_user_speaking = event is VADEvent.STARTED
        if self._is_user_speaking:
            self.push(VADUserStartedSpeakingFrame(start_secs=analyzer.params.start_secs))
            self.push(UserStartedSpeakingFrame())
            if setup.start.allow_interruptions:
                self.push(InterruptionFrame())
        else:
            self.push(VADUserStoppedSpeakingFrame(stop_secs=analyzer.params.stop_secs))
            self.push(UserStoppedSpeakingFrame())

    def caller_left(self) -> None:
        """The caller has left, perhaps in mid-sentence.

        A turn that has begun is ended, for processors that keep count. It has no
        `VADUserStoppedSpeakingFrame`: nobody needs half a sentence transcribed.
        """
        if self._is_user_speaking:
            self._is_user_speaking = False
            self.push(UserStoppedSpeakingFrame())
        self.push(ClientDisconnectedFrame())


class OutputTransport(InlineProcessor):
    """The last processor: sends what has a place on the wire, and lets every frame go on."""

    def __init__(self, transport: BaseTransport, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._transport = transport
        self._has_warned_of_mute = False
        self._system_actions: dict[type[Frame], Callable[[Any], None]] = {
            StartFrame: self._on_start,
            CancelFrame: self._on_cancel,
            ClientDisconnectedFrame: self._on_client_disconnected,
            InterruptionFrame: self._on_interruption,
            OutputTransportMessageUrgentFrame: self._on_urgent,
            OutputDTMFUrgentFrame: self._on_urgent,
        }

    @property
    def is_set_up(self) -> bool:
        return self._setup is not None

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        self._on_push = self._transport.add_watchers(setup.on_push)
        await self._transport.open(setup)

    async def cleanup(self) -> None:
        await self._transport.shut()

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is UPSTREAM:
            self.push(frame, UPSTREAM)
        elif isinstance(frame, SystemFrame):
            action = self._system_actions.get(type(frame))
            if action is not None:
                action(frame)
            self.push(frame)
        else:
            self._put(frame)

    def on_sent(self, frame: Frame) -> None:
        if isinstance(frame, EndFrame):
            self._transport.end(1000, "the conversation is over")
        self.push(frame)

    def on_bot_started(self) -> None:
        self.push(BotStartedSpeakingFrame())
        self.push(BotStartedSpeakingFrame(), UPSTREAM)

    def on_bot_stopped(self, *, interrupted: bool, played_secs: float) -> None:
        for direction in (DOWNSTREAM, UPSTREAM):
            self.push(
                BotStoppedSpeakingFrame(interrupted=interrupted, played_secs=played_secs), direction
            )

    def on_output_error(self, message: str, exception: Exception) -> None:
        self.report_error(message, exception)

    def _put(self, frame: Frame) -> None:
        outbound = self._transport.outbound
        if isinstance(frame, OutputAudioRawFrame) and not self._can_speak(outbound):
            self._transport.stats.audio_out_dropped_secs += frame.duration_secs
        elif outbound is None:
            self.on_sent(frame)
        else:
            outbound.put(frame)

    def _can_speak(self, outbound: Outbound | None) -> bool:
        if not self._transport.params.audio_out_enabled and not self._has_warned_of_mute:
            self._has_warned_of_mute = True
            logger.warning("%s drops all audio without audio_out_enabled=True", self.name)
        return outbound is not None and self._transport.params.audio_out_enabled

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
