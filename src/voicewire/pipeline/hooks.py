"""Who is told of the frames that move through a pipeline."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from voicewire.frames import Frame
from voicewire.pipeline.direction import FrameDirection

if TYPE_CHECKING:
    from voicewire.pipeline.processor import Processor

PushHook = Callable[["Processor", "Processor", Frame, FrameDirection], None]
"""Told of each push: from whom, to whom, what, which way. Called on the stack of the push: it must
not wait, nor raise."""


class PushHooks:
    """The hooks of one pipeline; they come and go while it runs.

    Attributes:
        tell: Tells all hooks; None, which costs a push next to nothing, while there are none.
    """

    def __init__(self) -> None:
        self.tell: PushHook | None = None
        self._hooks: tuple[PushHook, ...] = ()

    def add(self, hook: PushHook) -> None:
        """Tell `hook` of each push from now on."""
        self._set((*self._hooks, hook))

    def remove(self, hook: PushHook) -> None:
        """Tell `hook` no more."""
        self._set(tuple(each for each in self._hooks if each != hook))

    def clear(self) -> None:
        """Tell nobody any more."""
        self._set(())

    def _set(self, hooks: tuple[PushHook, ...]) -> None:
        self._hooks = hooks
        if len(hooks) <= 1:
            self.tell = hooks[0] if hooks else None
        else:
            self.tell = self._tell_all

    def _tell_all(
        self, source: "Processor", to: "Processor", frame: Frame, direction: FrameDirection
    ) -> None:
        for hook in self._hooks:
            hook(source, to, frame, direction)
