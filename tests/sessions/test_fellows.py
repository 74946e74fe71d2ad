"""Sockets that are handed over: real ones, and a supervisor that forwards by hand."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.transports.client import eventually
from voicewire.sessions.fellows import BUSY, MAX_SAID_BYTES, Fellows, forward, open_channel
from voicewire.sessions.postmark import Postmark
from voicewire.transports.handshake import Rejection

pytestmark = pytest.mark.anyio

KEY = bytes(32)
SAID = b"GET /?resume=... HTTP/1.1\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Workers:
    """Two workers, 1 and 2, and what they are given."""

    def __init__(self) -> None:
        self.channels: dict[int, socket.socket] = {}
        self.fellows: dict[int, Fellows] = {}
        self.given: list[tuple[int, socket.socket, bytes, Rejection | None]] = []
        for number in (1, 2):
            self.channels[number], theirs = open_channel()
            self.fellows[number] = Fellows(theirs, Postmark(KEY, number))

    def listen(self, number: int) -> None:
        self.fellows[number].listen(
            lambda sock, said, refusal: self.given.append((number, sock, said, refusal))
        )

    def hand_over(self, caller: socket.socket, token: str, said: bytes = SAID) -> bool:
        """Let 1 hand a caller over."""
        return self.fellows[1].hand_over(token, caller.fileno(), said)

    def forward(self) -> bool:
        return forward(self.channels[1], self.channels)


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    workers = Workers()
    yield workers
    for fellows in workers.fellows.values():
        fellows.close()
    for sock in (*workers.channels.values(), *(given[1] for given in workers.given)):
        sock.close()


@pytest.fixture
def caller() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A caller's own socket, and the one that has been accepted."""
    theirs, accepted = socket.socketpair()
    theirs.settimeout(5.0)
    yield theirs, accepted
    theirs.close()
    accepted.close()


Caller = tuple[socket.socket, socket.socket]


async def test_a_socket_reaches_the_worker_that_has_issued_the_token(
    workers: Workers, caller: Caller
) -> None:
    theirs, accepted = caller
    workers.listen(2)
    assert workers.hand_over(accepted, workers.fellows[2].make_token())
    accepted.close()
    assert workers.forward()
    await eventually(lambda: workers.given)
    ((number, sock, said, refusal),) = workers.given
    assert (number, said, refusal) == (2, SAID, None)
    sock.sendall(b"hello")
    assert theirs.recv(5) == b"hello"


@pytest.mark.parametrize(
    "token", ["", "nobody", Postmark(KEY, 1).make()], ids=["none", "no token", "one's own"]
)
async def test_what_is_nobody_elses_stays(workers: Workers, caller: Caller, token: str) -> None:
    assert not workers.hand_over(caller[1], token)


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_socket_comes_back_where_its_worker_is_no_more(
    workers: Workers, caller: Caller, is_known: bool
) -> None:
    workers.listen(1)
    assert workers.hand_over(caller[1], workers.fellows[2].make_token())
    workers.fellows[2].close()
    if not is_known:
        workers.channels.pop(2).close()
    assert workers.forward()
    await eventually(lambda: workers.given)
    ((number, _, said, refusal),) = workers.given
    assert (number, said, refusal) == (1, SAID, None)


async def test_a_worker_that_takes_nothing_delays_nobody_and_callers_are_told_to_try_again(
    workers: Workers, caller: Caller
) -> None:
    workers.listen(1)
    token = workers.fellows[2].make_token()
    while not workers.given:  # 2 listens to nobody; its queue fills.
        assert workers.hand_over(caller[1], token, bytes(4096))
        assert workers.forward()
        await asyncio.sleep(0)
    ((_, sock, said, refusal),) = workers.given
    assert refusal is BUSY
    assert said == bytes(4096)
    assert not sock.getblocking()


async def test_nobody_can_be_handed_over_who_has_said_too_much(
    workers: Workers, caller: Caller
) -> None:
    token = workers.fellows[2].make_token()
    assert workers.hand_over(caller[1], token, bytes(MAX_SAID_BYTES))
    with pytest.raises(OSError, match="too long"):
        workers.hand_over(caller[1], token, bytes(MAX_SAID_BYTES + 1))


async def test_a_dead_worker_hands_over_nothing_more(workers: Workers) -> None:
    assert workers.forward()
    workers.fellows[1].close()
    assert not workers.forward()
