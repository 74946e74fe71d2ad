"""Which way a frame goes."""

from enum import Enum


class FrameDirection(Enum):
    """Downstream is from the caller's microphone towards the caller's loudspeaker."""

    DOWNSTREAM = 1
    UPSTREAM = 2
