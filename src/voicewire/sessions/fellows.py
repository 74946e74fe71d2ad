"""Sockets that go from one worker to another: a client comes back to whom it left.

A worker that is reached by the client of another hands over the socket and what it has read of it.
All goes by way of the supervisor, to which each worker has a channel from its start: it knows who
is alive, nothing of it is in the file system, and it waits for nobody.
"""

import asyncio
import errno
import logging
import os
import socket
import struct
from collections.abc import Callable, Mapping
from enum import Enum

from voicewire.sessions.postmark import Postmark
from voicewire.transports.handshake import Rejection, try_later

logger = logging.getLogger(__name__)

MAX_SAID_BYTES = 64 * 1024
"""What can be handed over of what a caller has said: a request head, and what one sends behind it
who should wait for the answer."""

BUSY = try_later("the worker that has your session is busy")

_NUMBER = struct.Struct(">I")
_MAX_BYTES = _NUMBER.size + MAX_SAID_BYTES


class _To(Enum):
    """What the supervisor says of a socket."""

    OWNER = b"o"
    """It is for the one that gets it."""

    NOBODY = b"n"
    """It comes back: the one that it was for is no more."""

    BUSY = b"b"
    """It comes back: the one that it is for takes no more for now."""


OnGiven = Callable[[socket.socket, bytes, Rejection | None], object]
"""Called with a caller's socket, what has been read of it, and how to refuse it, if at all."""


def open_channel() -> tuple[socket.socket, socket.socket]:
    """Return the supervisor's end of a channel, which does not block, and a worker's."""
    # Packets keep their bounds. A queue of datagrams, which other systems have, is a short one.
    kind = getattr(socket, "SOCK_SEQPACKET", socket.SOCK_DGRAM)
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    except OSError:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    return ours, theirs


class Fellows:
    """The other workers, as one of them sees them.

    Args:
        channel: Its end of the channel to the supervisor; closed by `close`.
        postmark: Makes its tokens.
    """

    def __init__(self, channel: socket.socket, postmark: Postmark) -> None:
        channel.setblocking(False)
        self.make_token = postmark.make
        self._channel = channel
        self._postmark = postmark
        self._on_given: OnGiven = lambda sock, said, refusal: sock.close()

    def hand_over(self, token: str, fd: int, said: bytes) -> bool:
        """Return whether a socket is on its way to the worker that has issued a token.

        It is not where that is this one, or none. What is on its way is the caller's to close, and
        may come back, if nobody takes it.

        Args:
            token: What the caller has shown.
            fd: The socket's file descriptor.
            said: What has been read of it.

        Raises:
            OSError: It cannot be handed over now.
        """
        issuer = self._postmark.issuer(token)
        if issuer is None or issuer == self._postmark.worker:
            return False
        if len(said) > MAX_SAID_BYTES:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        socket.send_fds(self._channel, [_NUMBER.pack(issuer) + said], [fd])
        return True

    def listen(self, on_given: OnGiven) -> None:
        """Take what the others hand over, and what comes back."""
        self._on_given = on_given
        asyncio.get_running_loop().add_reader(self._channel, self._take)

    def close(self) -> None:
        """Take nothing more."""
        if self._channel.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._channel.close()

    def _take(self) -> None:
        received = _receive(self._channel)
        if received is None:
            self.close()  # The supervisor is gone.
            return
        message, fds = received
        for fd in fds:
            os.set_inheritable(fd, False)
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            refusal = BUSY if _To(message[:1]) is _To.BUSY else None
            self._on_given(sock, message[1:], refusal)


def forward(giver: socket.socket, takers: Mapping[int, socket.socket]) -> bool:
    """Pass on what a worker hands over, or give it back; nothing waits.

    Args:
        giver: The supervisor's end of its channel, which is readable.
        takers: Those of all workers, by their numbers.

    Returns:
        Whether there may be more.
    """
    received = _receive(giver)
    if received is None:
        return False
    message, fds = received
    try:
        if fds:
            (number,) = _NUMBER.unpack_from(message)
            said = message[_NUMBER.size :]
            refused = _give(takers.get(number), _To.OWNER, said, fds)
            if refused is not None and _give(giver, refused, said, fds) is not None:
                logger.warning("a client that came back was not taken by any worker")
    finally:
        for fd in fds:
            os.close(fd)
    return True


def _give(taker: socket.socket | None, to: _To, said: bytes, fds: list[int]) -> _To | None:
    """Return None when a socket has been given, and otherwise how it comes back."""
    if taker is None:
        return _To.NOBODY
    try:
        socket.send_fds(taker, [to.value + said], fds)
    except ConnectionError:
        return _To.NOBODY
    except OSError:  # The queue is full, or too many files are on their way.
        return _To.BUSY
    return None


def _receive(channel: socket.socket) -> tuple[bytes, list[int]] | None:
    """Return a message and its files, none where there is none; None when there will be none."""
    try:
        message, fds, _, _ = socket.recv_fds(channel, _MAX_BYTES, 1)
    except (BlockingIOError, InterruptedError):
        return b"", []
    except OSError:
        return None
    if not message:
        return None
    if not fds:
        logger.error("a client that came back is lost: there is no file descriptor left for it")
    return message, list(fds)
