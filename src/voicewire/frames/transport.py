"""Messages beside the audio, and telephone keys."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from voicewire.frames.base import DataFrame, SystemFrame


class KeypadEntry(StrEnum):
    """A key of a telephone."""

    ZERO = "0"
    ONE = "1"
    TWO = "2"
    THREE = "3"
    FOUR = "4"
    FIVE = "5"
    SIX = "6"
    SEVEN = "7"
    EIGHT = "8"
    NINE = "9"
    STAR = "*"
    POUND = "#"


@dataclass(slots=True, eq=False)
class InputTransportMessageFrame(SystemFrame):
    """A message from the client.

    Attributes:
        message: Decoded JSON.
    """

    message: Any


@dataclass(slots=True, eq=False)
class OutputTransportMessageFrame(DataFrame):
    """A message for the client, in order with the audio.

    Attributes:
        message: Anything that JSON can hold.
    """

    message: Any


@dataclass(slots=True, eq=False)
class OutputTransportMessageUrgentFrame(SystemFrame):
    """A message for the client, at once.

    Attributes:
        message: Anything that JSON can hold.
    """

    message: Any


@dataclass(slots=True, eq=False)
class InputDTMFFrame(SystemFrame):
    """The caller pressed a key."""

    button: KeypadEntry


@dataclass(slots=True, eq=False)
class OutputDTMFFrame(DataFrame):
    """Press a key, in order with the audio."""

    button: KeypadEntry


@dataclass(slots=True, eq=False)
class OutputDTMFUrgentFrame(SystemFrame):
    """Press a key at once."""

    button: KeypadEntry


@dataclass(slots=True, eq=False)
class PlayoutMarkFrame(SystemFrame):
    """The caller's side has played all that was sent before a mark.

    Attributes:
        mark: The name that it was given.
    """

    mark: str


@dataclass(slots=True, eq=False)
class PlayoutPositionFrame(SystemFrame):
    """How far the caller's side has played.

    Attributes:
        stream_id: The stream that it plays: streams end by a flush, and are counted from 0.
        played_secs: How much of the stream has been heard.
        buffered_secs: How much of it has been sent, and not been heard.
    """

    stream_id: int
    played_secs: float
    buffered_secs: float
