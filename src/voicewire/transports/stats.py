"""What a transport counts."""

from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class TransportStats:
    """Counters since the transport was made.

    Attributes:
        clients: Callers who were let in.
        messages_in: Messages from clients, good and bad.
        messages_refused: Bad ones by kind of fault, such as `"truncated"`.
        rests: Times that nothing was read of a client because it sent faster than real time.
        messages_out: Messages to clients.
        audio_out_dropped_secs: Bot audio that nobody could hear any more, or that did not fit.
        underruns: Times that a client had nothing left to play in mid-utterance.
        interruptions: Times that the bot was cut off while it spoke.
        lagging_clients: Clients closed because they did not read.
    """

    clients: int = 0
    messages_in: int = 0
    messages_refused: Counter[str] = field(default_factory=Counter)
    rests: int = 0
    messages_out: int = 0
    audio_out_dropped_secs: float = 0.0
    underruns: int = 0
    interruptions: int = 0
    lagging_clients: int = 0

    def add(self, other: "TransportStats") -> None:
        """Add what another transport has counted."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, mine + theirs)
