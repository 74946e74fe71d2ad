"""Pipecat's RTVI processor and observer: here the transport does what they do."""

import logging
from collections.abc import Callable
from typing import Any

from pydantic import Field

from voicewire.frames import Frame
from voicewire.params import Params
from voicewire.pipeline import BaseObserver, FrameDirection, InlineProcessor
from voicewire.rtvi import RTVI, RTVIParams

logger = logging.getLogger(__name__)


class RTVIConfig(Params):
    """Taken; RTVI has had no configuration since its major 1."""

    config: list[Any] = Field(default_factory=list)


class RTVIProcessor(InlineProcessor):
    """Stands for the transport's RTVI, wherever it stands in the pipeline.

    ::

        rtvi = RTVIProcessor()
        pipeline = Pipeline([transport.input(), rtvi, stt, llm, tts, transport.output()])


        @rtvi.event_handler("on_client_ready")
        async def on_client_ready(rtvi):
            await rtvi.set_bot_ready()

    Everything that `RTVI` has is here too, from when the task has been made.

    Args:
        config: Taken, and of no effect.
        transport: As `config`.
        name: For logs.
    """

    def __init__(
        self, *, config: object = None, transport: object = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self._rtvi = RTVI()
        self._handlers: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._rtvi, name)

    def event_handler(self, event_name: str) -> Callable[[Any], Any]:
        """Return a decorator that adds a handler; as of every `EventEmitter`."""

        def decorate(handler: Any) -> Any:
            self.add_event_handler(event_name, handler)
            return handler

        return decorate

    def add_event_handler(self, event_name: str, handler: Any) -> None:
        """Add a handler; as of every `EventEmitter`."""
        self._rtvi.add_event_handler(event_name, handler)
        self._handlers.append((event_name, handler))

    def stand_for(self, rtvi: RTVI) -> None:
        """Be the RTVI of the pipeline's transport."""
        self._rtvi = rtvi
        for event_name, handler in self._handlers:
            rtvi.add_event_handler(event_name, handler)

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self.push(frame, direction)


class RTVIObserver(BaseObserver):
    """Taken among a task's observers; the transport tells clients what it would tell.

    Args:
        rtvi: The processor.
        params: Of no effect: give them to the transport, as `WebsocketServerParams(rtvi=...)`.
    """

    def __init__(self, rtvi: object = None, *, params: RTVIParams | None = None) -> None:
        super().__init__()
        if params is not None:
            logger.warning(
                "RTVIObserver: params has no effect in voicewire; "
                "give them to the transport: WebsocketServerParams(rtvi=...)"
            )
