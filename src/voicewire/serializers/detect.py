"""A wire that is known by its first message."""

from collections.abc import Sequence

from voicewire.errors import FrameDecodeError
from voicewire.frames import Frame
from voicewire.serializers.base import FrameSerializer


class DetectSerializer(FrameSerializer):
    """Listens to the first message, and becomes the wire that knows it.

    Args:
        candidates: In the order in which they are asked; the first that knows it is taken.
    """

    dialect = "detect"

    def __init__(self, candidates: Sequence[FrameSerializer]) -> None:
        self._candidates = tuple(candidates)
        self._chosen: FrameSerializer | None = None

    @property
    def has_started(self) -> bool:
        return self._chosen is not None and self._chosen.has_started

    @property
    def settled(self) -> FrameSerializer:
        return self if self._chosen is None else self._chosen.settled

    def take_replies(self) -> list[bytes | str]:
        return [] if self._chosen is None else self._chosen.take_replies()

    def deserialize(self, data: bytes | str) -> Frame | None:
        if self._chosen is None:
            self._chosen = next((each for each in self._candidates if each.knows(data)), None)
        if self._chosen is None:
            known = ", ".join(each.dialect for each in self._candidates)
            raise FrameDecodeError("unknown_dialect", f"a first message of none of these: {known}")
        return self._chosen.deserialize(data)

    def serialize(self, frame: Frame) -> bytes | str | None:
        return None if self._chosen is None else self._chosen.serialize(frame)
