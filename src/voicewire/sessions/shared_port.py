"""A port that is not one server's alone: opened by somebody else, and outliving it."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicewire.sessions.fellows import Fellows


@dataclass(frozen=True)
class SharedPort:
    """The sockets that a server listens on, and who else does.

    Attributes:
        sockets: They listen already. The server closes its copies.
        is_queue_kept: Whether callers who come while the server ends wait for somebody who will
            answer them, as with systemd, which starts the next server. Otherwise they are told.
        accept_delay_secs: How long to leave the next caller to other processes, given how many are
            at this one's door; None where there are no others.
        fellows: The other processes, where there are any, for their clients who come back.
    """

    sockets: Sequence[socket.socket]
    is_queue_kept: bool = False
    accept_delay_secs: Callable[[int], float] | None = None
    fellows: Fellows | None = None
