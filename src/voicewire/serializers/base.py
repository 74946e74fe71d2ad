"""What every wire format offers: frames to messages and messages to frames."""

from abc import ABC, abstractmethod
from typing import ClassVar

from voicewire.frames import Frame


class FrameSerializer(ABC):
    """One wire format, at one connection.

    Synchronous and free of I/O: it runs on the event loop between two socket calls. It may remember
    things about its peer (a stream's id, say), so each connection has its own.
    """

    carries_rtvi: ClassVar[bool] = False
    """Whether its clients speak RTVI: its messages go as `OutputTransportMessageUrgentFrame`."""

    def leave_words_to_rtvi(self) -> None:  # noqa: B027 - most do not carry RTVI
        """Send no text and no transcriptions any more: the client gets them by RTVI."""

    @abstractmethod
    def serialize(self, frame: Frame) -> bytes | str | None:
        """Return the message for `frame`: bytes for a binary one, str for a text one.

        None means that this wire does not carry this kind of frame.

        Raises:
            FrameEncodeError: This wire carries this kind of frame, but not what is in this one.
        """

    @abstractmethod
    def deserialize(self, data: bytes | str) -> Frame:
        """Return the frame in one whole message: bytes of a binary one, str of a text one.

        Raises:
            FrameDecodeError: The message is not what the peer should have sent.
        """
