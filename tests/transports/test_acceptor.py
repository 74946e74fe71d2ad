"""Callers are taken one at a time from a socket that others take callers from too."""

import errno
import socket
from collections.abc import Callable, Iterator

import pytest

from voicewire.testing import VirtualClock
from voicewire.transports.acceptor import OUT_OF_FILES_SECS, Acceptor


class Door:
    """An acceptor on a real socket, and what its event loop would know of it."""

    def __init__(self, sock: socket.socket) -> None:
        self.clock = VirtualClock()
        self.accepted: list[socket.socket] = []
        self.delay_secs = 0.0
        self.readable: Callable[[], None] | None = None
        self.acceptor = Acceptor(
            sock,
            clock=self.clock,
            add_reader=self._add_reader,
            remove_reader=self._remove_reader,
            on_accepted=self.accepted.append,
            delay_secs=lambda: self.delay_secs,
        )
        self.acceptor.start()

    def is_open(self) -> bool:
        return self.readable is not None

    def knock(self) -> None:
        assert self.readable is not None
        self.readable()

    def close(self) -> None:
        self.acceptor.close()
        for each in self.accepted:
            each.close()

    def _add_reader(self, _: socket.socket, readable: Callable[[], None]) -> None:
        self.readable = readable

    def _remove_reader(self, _: socket.socket) -> None:
        self.readable = None


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield sock


def test_one_caller_is_taken_at_a_time(listening: socket.socket) -> None:
    mine, theirs = Door(listening.dup()), Door(listening.dup())
    address = listening.getsockname()
    with socket.create_connection(address), socket.create_connection(address):
        mine.knock()
        theirs.knock()
        theirs.knock()  # There is nobody any more.
        assert (len(mine.accepted), len(theirs.accepted)) == (1, 1)
        assert not mine.accepted[0].getblocking()
    mine.close()
    theirs.close()


def test_a_caller_is_left_to_the_others_for_a_while(listening: socket.socket) -> None:
    door = Door(listening.dup())
    door.delay_secs = 0.5
    with socket.create_connection(listening.getsockname()):
        door.knock()
        door.clock.advance(0.4)
        assert not door.accepted
        assert not door.is_open()
        door.clock.advance(0.2)
        assert len(door.accepted) == 1
        assert door.is_open()
    door.close()


def test_who_waits_when_one_closes_is_left_to_the_others(listening: socket.socket) -> None:
    mine, theirs = Door(listening.dup()), Door(listening.dup())
    mine.delay_secs = 0.5
    with socket.create_connection(listening.getsockname()):
        mine.knock()
        mine.close()
        mine.clock.advance(1.0)
        theirs.knock()
        assert len(theirs.accepted) == 1
    theirs.close()


class Exhausted(socket.socket):
    """A socket of a process that has no file descriptor left."""

    def accept(self) -> tuple[socket.socket, object]:
        raise OSError(errno.EMFILE, "Too many open files")


def test_without_a_file_descriptor_nobody_is_taken_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = Door(Exhausted())
    door.knock()
    assert not door.is_open()
    assert "no caller can be taken" in caplog.text
    door.clock.advance(OUT_OF_FILES_SECS - 0.1)
    assert not door.is_open()
    door.close()
