"""What every transport is: the two ends of a pipeline, and a door for callers."""

from abc import ABC, abstractmethod
from functools import partial

from pydantic import JsonValue

from voicewire.context import LLMContext
from voicewire.events import EventEmitter
from voicewire.frames import Frame
from voicewire.pipeline import FrameDirection, ProcessorSetup
from voicewire.pipeline.hooks import PushHook, PushHooks
from voicewire.pipeline.processor import Processor
from voicewire.records import SessionRecord
from voicewire.rtvi import RTVI
from voicewire.transports.input import InputTransport
from voicewire.transports.outbound import Outbound
from voicewire.transports.output import OutputTransport
from voicewire.transports.params import TransportParams
from voicewire.transports.stats import TransportStats


class BaseTransport(EventEmitter, ABC):
    """Brings callers to a pipeline: `input()` is its first processor, `output()` its last.

    The two ends are made when first asked for.

    Attributes:
        stats: What has been counted since the transport was made.
        outbound: The way out to the caller, None while there is none.
        rtvi: Where the application answers what clients ask of it by RTVI.
        record: The conversation, where another process has begun it; None where it begins here.
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
        self.outbound: Outbound | None = None
        self.rtvi = RTVI()
        self.record: SessionRecord | None = None
        self._input_name = input_name
        self._output_name = output_name
        self._input: InputTransport | None = None
        self._output: OutputTransport | None = None
        self._watchers: list[PushHook] = []

    def input(self) -> InputTransport:
        """Return the processor that brings what the client sends."""
        if self._input is None:
            self._input = InputTransport(self, name=self._input_name)
        return self._input

    def output(self) -> OutputTransport:
        """Return the processor that takes what the client shall get."""
        if self._output is None:
            self._output = OutputTransport(self, name=self._output_name)
        return self._output

    def remember(self, context: LLMContext, data: JsonValue = None) -> None:
        """Let another process go on with this conversation, should this one end before it.

        It is kept as it is within the last second, in `params.session_store`, as long as the client
        can come back; where there is no store, or the client cannot, this does nothing. The last
        call counts.

        Args:
            context: The conversation.
            data: Whatever else the bot wants to find in its `record`.
        """

    def watch(self, watcher: PushHook) -> None:
        """Tell `watcher` of each frame that either end pushes, once the pipeline has started.

        For those who do not make the pipeline, and so cannot give it observers. `watcher` is called
        on the stack of the push: it must not wait, nor raise.
        """
        self._watchers.append(watcher)

    def let_watch(self, hooks: PushHooks) -> None:
        """Tell the watchers of the ends' pushes, in a pipeline with these hooks."""
        for watcher in self._watchers:
            hooks.add(partial(self._tell_of_ends, watcher))

    def _tell_of_ends(
        self,
        watcher: PushHook,
        source: Processor,
        to: Processor,
        frame: Frame,
        direction: FrameDirection,
    ) -> None:
        if source is self._input or source is self._output:
            watcher(source, to, frame, direction)

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
