"""Taking callers from a listening socket that several processes share."""

import errno
import logging
import socket
from collections.abc import Callable

from voicewire.clock import Clock, TimerHandle

logger = logging.getLogger(__name__)

OUT_OF_FILES_SECS = 1.0
"""How long nobody is taken when the process or the machine has no file descriptor left."""

_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Takes callers from one socket, one at a time, so that other processes get theirs too.

    An event loop's own server takes all that wait at once, which is right only where nobody else
    could. Whoever is not taken here stays in the kernel's queue, which all processes share: closing
    one's own copy of the socket loses nobody.

    Args:
        sock: Listens already, and does not block; closed by `close`.
        clock: For the delays.
        add_reader: The event loop's.
        remove_reader: The event loop's.
        on_accepted: Called with each caller's socket, which does not block.
        delay_secs: How long to leave the next caller to the others; asked when there is one.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        clock: Clock,
        add_reader: Callable[[socket.socket, Callable[[], None]], object],
        remove_reader: Callable[[socket.socket], object],
        on_accepted: Callable[[socket.socket], None],
        delay_secs: Callable[[], float],
    ) -> None:
        self._sock = sock
        self._clock = clock
        self._add_reader = add_reader
        self._remove_reader = remove_reader
        self._on_accepted = on_accepted
        self._delay_secs = delay_secs
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Begin to take callers."""
        self._add_reader(self._sock, self._readable)

    def close(self) -> None:
        """Take nobody more; those who wait are left to the other processes."""
        if self._timer is not None:
            self._timer.cancel()
        self._remove_reader(self._sock)
        self._sock.close()

    def _readable(self) -> None:
        delay_secs = self._delay_secs()
        if delay_secs > 0:
            self._pause(delay_secs)
        else:
            self._accept()

    def _accept(self) -> None:
        try:
            accepted, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # Another process was faster, or the caller has left.
        except OSError as exc:
            if exc.errno not in _OUT_OF_FILES:
                raise
            logger.error("no caller can be taken for %g s: %s", OUT_OF_FILES_SECS, exc)
            self._pause(OUT_OF_FILES_SECS)
            return
        accepted.setblocking(False)
        self._on_accepted(accepted)

    def _pause(self, secs: float) -> None:
        self._remove_reader(self._sock)
        self._timer = self._clock.call_later(secs, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        self.start()
        self._accept()
