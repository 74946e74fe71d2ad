"""The frame and its three families: what flows through a pipeline.

| Family | Order | On an interruption |
|---|---|---|
| `SystemFrame` | ahead of everything else | kept |
| `DataFrame` | in order with data and control | dropped, unless uninterruptible |
| `ControlFrame` | in order with data and control | dropped, unless uninterruptible |
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

_ids = count(1)


@dataclass(slots=True, eq=False, weakref_slot=True)
class Frame:
    """Something that flows through a pipeline.

    Attributes:
        id: Unique among the frames made here; one from a client keeps the client's number.
        pts: Presentation time in nanoseconds, where the source gave one.
    """

    interruptible: ClassVar[bool] = True
    belongs_to_caller: ClassVar[bool] = True
    """Whether it is dropped when the caller leaves, wherever it waits."""

    id: int = field(init=False, default_factory=_ids.__next__)
    pts: int | None = field(init=False, default=None)
    _name: str | None = field(init=False, default=None, repr=False)
    _metadata: dict[str, Any] | None = field(init=False, default=None, repr=False)

    @property
    def name(self) -> str:
        """The class and the id, such as `TextFrame#12`, unless it was set."""
        return self._name or f"{type(self).__name__}#{self.id}"

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def metadata(self) -> dict[str, Any]:
        """Whatever an application wants to send along; made when first asked for."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True, eq=False)
class SystemFrame(Frame):
    """Goes ahead of data and control frames; an interruption does not drop it."""


@dataclass(slots=True, eq=False)
class DataFrame(Frame):
    """Content, in order. An interruption drops it."""


@dataclass(slots=True, eq=False)
class ControlFrame(Frame):
    """A boundary or an instruction, in order with the content. An interruption drops it."""


class UninterruptibleFrame:
    """Mix-in: an interruption neither drops this frame nor cancels its handler."""

    __slots__ = ()
    interruptible: ClassVar[bool] = False
