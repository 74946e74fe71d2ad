"""What a client's player can do, and what it needs. Pure."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Player:
    """The far end of the audio.

    Attributes:
        block_samples: It plays whole blocks of so many samples, and keeps the rest until more
            comes.
        sample_rate: Hertz that it takes all audio for; None where it plays each message at the
            message's own rate.
        message_secs: Seconds of audio in every message that it takes; None where that is free.
        flush: Tells it to drop what it has not played, and that what comes then is the stream of
            this number; None where it cannot.
    """

    block_samples: int = 1
    sample_rate: int | None = None
    message_secs: float | None = None
    flush: Callable[[int], None] | None = None


PLAIN = Player()
"""Of a client that has said nothing of itself."""

AUDIO_WORKLET = Player(block_samples=128)
"""Of a client that speaks RTVI: in a browser, blocks are those of an AudioWorklet."""

PIPECAT_JS = Player(block_samples=128, sample_rate=24_000)
"""Of Pipecat's JavaScript client, as it is when nobody sets its `playerSampleRate`."""
