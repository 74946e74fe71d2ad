"""What an application and an RTVI client say to each other beside the conversation."""

from dataclasses import dataclass
from typing import Any

from voicewire.frames.base import SystemFrame


@dataclass(slots=True, eq=False)
class RTVIClientMessageFrame(SystemFrame):
    """A message of the application's own kind from the client.

    Attributes:
        msg_id: The client's name for it; an answer carries the same.
        type: Its kind, as the application has named it.
        data: What is in it.
    """

    msg_id: str
    type: str
    data: Any = None


@dataclass(slots=True, eq=False)
class RTVIServerMessageFrame(SystemFrame):
    """A message of the application's own kind for the client, at once.

    Attributes:
        data: Anything that JSON can hold.
    """

    data: Any


@dataclass(slots=True, eq=False)
class RTVIServerResponseFrame(SystemFrame):
    """The answer to a client's message.

    Attributes:
        client_msg: What is answered.
        data: Anything that JSON can hold.
        error: Why there is no answer; the client gets it instead of `data`.
    """

    client_msg: RTVIClientMessageFrame
    data: Any = None
    error: str | None = None
