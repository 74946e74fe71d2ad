"""What every wire format offers: frames to messages and messages to frames."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from voicewire.frames import Frame
from voicewire.serializers.call import Call, CallRequest, ProviderRequest, StartAnswer


class FrameSerializer(ABC):
    """One wire format, at one connection.

    Synchronous and free of I/O: it runs on the event loop between two socket calls. It may remember
    things about its peer (a stream's id, say), so each connection has its own: a deep copy of the
    one that was configured.

    `serialize` and `deserialize` are all that most formats need. The rest is for those that carry
    a telephone call, and for protocols that want answers.
    """

    carries_rtvi: ClassVar[bool] = False
    """Whether its clients speak RTVI: its messages go as `OutputTransportMessageUrgentFrame`."""

    dialect: ClassVar[str] = "custom"
    """What this wire is called: `transport.dialect`."""

    subprotocol: ClassVar[str | None] = None
    """The WebSocket subprotocol by which its clients ask for it."""

    told_of: ClassVar[tuple[type[Frame], ...]] = ()
    """Kinds of frames that `tell` has words for."""

    can_clear: bool = False
    """Whether its clients drop what they have not played at an `InterruptionFrame`: so they may be
    kept further ahead."""

    has_marks: ClassVar[bool] = False
    """Whether `mark` makes messages."""

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
    def deserialize(self, data: bytes | str) -> Frame | None:
        """Return the frame in one whole message: bytes of a binary one, str of a text one.

        None means that the message was understood, and is nothing for the pipeline.

        Raises:
            FrameDecodeError: The message is not what the peer should have sent.
        """

    def knows(self, first_message: bytes | str) -> bool:
        """Return whether a client's first message is of this wire, beyond reasonable doubt."""
        return False

    @property
    def settled(self) -> "FrameSerializer":
        """The wire that the client turned out to speak, once it has started."""
        return self

    def take_replies(self) -> list[bytes | str]:
        """Return what the protocol itself answers to what was deserialized, in order, once.

        To be asked for after each `deserialize`, also after one that raised.
        """
        return []

    @property
    def sample_rate(self) -> int | None:
        """Hertz of the mono audio that `serialize` takes; None where messages name their own.

        The peer's first messages may change it.
        """
        return None

    @property
    def packet_secs(self) -> float | None:
        """Seconds of audio that a message should hold at least, and in multiples of which.

        None where the peer takes audio as it comes.
        """
        return None

    @property
    def message_secs(self) -> float | None:
        """Seconds of audio in every message; None where that is free.

        `serialize` is given no more at a time, and keeps what is less until more comes. Silence
        fills the last message of what is said.
        """
        return None

    @property
    def call(self) -> Call | None:
        """Who calls; None until the peer has said so, and where that is not a thing to say."""
        return None

    @property
    def has_started(self) -> bool:
        """Whether the peer has said all that it has to before audio can be sent to it."""
        return True

    @property
    def is_over(self) -> bool:
        """Whether the peer has said that nothing follows."""
        return False

    def tell(self, frame: Frame) -> bytes | str | None:
        """Return the message that tells of a frame in the pipeline; None if there is none.

        Of each frame of the kinds in `told_of`, when it first moves downstream.
        """
        return None

    def mark(self, name: str) -> bytes | str | None:
        """Return the message that asks the peer to say when it has played all that was sent.

        Its answer is deserialized to `PlayoutMarkFrame(name)`. None where peers cannot say.

        Raises:
            FrameEncodeError: The name cannot be sent.
        """
        return None

    def goodbye(self) -> bytes | str | None:
        """Return the message that ends the call; None where no message does."""
        return None

    def hang_up_request(self, *, now: float) -> CallRequest | None:
        """Return the HTTP request that ends the call.

        None where there is none, without the credentials for it, and before the call is known.

        Args:
            now: Unix seconds.
        """
        return None

    def dial_request(
        self, to_number: str, from_number: str, url: str, *, now: float
    ) -> CallRequest | None:
        """Return the HTTP request that calls somebody; None without the credentials for it.

        Args:
            to_number: Who is called, as the provider writes numbers: `+15550100`.
            from_number: One of the account's numbers.
            url: Where the call is connected to when it is answered, `wss://...`.
            now: Unix seconds.
        """
        return None

    @property
    def signs_connections(self) -> bool:
        """Whether `is_genuine` lets in no connection but those that the provider has signed."""
        return False

    def is_genuine(self, request: ProviderRequest, *, now: float) -> bool:
        """Return whether the provider has signed a request, where we know how to tell.

        Args:
            request: The request.
            now: Unix seconds.
        """
        return True

    def start_answer(self, url: str, form: Mapping[str, str]) -> StartAnswer | None:
        """Return what tells the provider to connect a call to this server; None if nothing does.

        Args:
            url: Where to, `wss://...`.
            form: What the provider has said of the call.
        """
        return None
