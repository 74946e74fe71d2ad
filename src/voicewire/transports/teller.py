"""Tells a client of what happens in the pipeline, where its wire has words for it."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from voicewire.errors import SessionClosed
from voicewire.frames import Frame
from voicewire.pipeline import FrameDirection, Processor
from voicewire.pipeline.hooks import PushHooks
from voicewire.serializers import FrameSerializer

MAX_REMEMBERED = 256
"""Frames that are known to have been told of: more than move through a pipeline at a time."""


class Teller:
    """Sends what `FrameSerializer.tell` makes of frames, the first time that they move.

    Args:
        serializer: The client's.
        send: Sends a message.
        hooks: The pipeline's.
    """

    def __init__(
        self,
        serializer: FrameSerializer,
        *,
        send: Callable[[bytes | str], None],
        hooks: PushHooks,
    ) -> None:
        self._serializer = serializer
        self._kinds = serializer.told_of
        self._send = send
        self._hooks = hooks
        self._told: OrderedDict[int, Frame] = OrderedDict()
        hooks.add(self._see)

    def take(self, content: Any) -> list[Frame] | None:
        """Leave messages to the pipeline."""
        return None

    def close(self) -> None:
        """Say nothing any more."""
        self._hooks.remove(self._see)

    def _see(
        self, source: Processor, to: Processor, frame: Frame, direction: FrameDirection
    ) -> None:
        if direction is FrameDirection.UPSTREAM or not isinstance(frame, self._kinds):
            return
        if id(frame) in self._told:
            return
        self._told[id(frame)] = frame
        if len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
        message = self._serializer.tell(frame)
        if message is not None:
            with suppress(SessionClosed):  # The frame itself must move on.
                self._send(message)
