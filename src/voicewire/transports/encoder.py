"""Frames onto one client's wire."""

from collections.abc import Callable
from typing import Protocol

from voicewire.errors import SessionClosed
from voicewire.frames import Frame
from voicewire.serializers import FrameSerializer
from voicewire.transports.stats import TransportStats


class Wire(Protocol):
    """What is needed of a connection to send on it."""

    @property
    def is_writing_paused(self) -> bool: ...

    def send(self, message: bytes | str) -> None: ...

    def close(self, code: int = 1000, reason: str = "") -> None: ...


class Encoder:
    """Encodes frames and sends them.

    Args:
        serializer: Encodes this client's messages.
        wire: The connection.
        stats: Where messages are counted.
        on_error: Told of a frame that cannot be sent: in words, and by the exception.
    """

    def __init__(
        self,
        serializer: FrameSerializer,
        wire: Wire,
        stats: TransportStats,
        on_error: Callable[[str, Exception], None],
    ) -> None:
        self._serializer = serializer
        self._wire = wire
        self._stats = stats
        self._on_error = on_error

    def send(self, frame: Frame) -> bool:
        """Return whether the frame went out; most kinds have no place on the wire."""
        try:
            message = self._serializer.serialize(frame)
            if message is None:
                return False
            self._wire.send(message)
        except SessionClosed:
            return False  # The session hears of it by itself.
        except Exception as exc:  # noqa: BLE001 - what cannot be sent must not stop what follows
            self._on_error(f"{type(exc).__name__}: {exc}", exc)
            return False
        self._stats.messages_out += 1
        return True

    def send_mark(self, name: str) -> None:
        """Ask the client to say when playback has got to here, where it can."""
        message = self._serializer.mark(name)
        if message is not None:
            try:
                self._wire.send(message)
            except SessionClosed:
                return
            self._stats.messages_out += 1
