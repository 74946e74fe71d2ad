import asyncio
import contextlib
import logging
import os
import resource
import socket
from collections.abc import Iterator

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.frames import Opcode
from websockets.typing import Subprotocol

from tests.transports.fake_transport import binary, client_frame, close_frame
from tests.transports.raw_peer import listening, raw_peer, until, upgrade
from voicewire.errors import AddressInUseError
from voicewire.testing.clock import VirtualClock
from voicewire.transports.acceptor import OUT_OF_FILES_SECS
from voicewire.transports.connection import Connection
from voicewire.transports.http import make_http_app
from voicewire.transports.listener import Listener
from voicewire.transports.settings import ConnectionSettings, ListenerSettings

pytestmark = pytest.mark.anyio


async def test_a_client_is_served_and_its_close_is_told() -> None:
    async with listening() as (listener, visits):
        async with connect(listener.url + "/caf%C3%A9?token=t", proxy=None) as client:
            connection, recorder = await visits.next()
            assert (connection.path, connection.query) == ("/café", {"token": "t"})
            assert connection.remote_address[0] == "127.0.0.1"
            assert connection.headers["HOST"] == f"127.0.0.1:{listener.port}"
            assert listener.connections == {connection}
            await client.send(b"audio")
            await client.send("text")
            await client.send([b"in ", b"parts"])
            await client.send(bytes(100_000))
            await (await client.ping())
            assert recorder.messages == [b"audio", "text", b"in parts", bytes(100_000)]
            for answer in (b"", b"x" * 125, b"y" * 126, b"z" * 70_000, "é"):
                connection.send(answer)
                assert await client.recv() == answer
            await client.close(1001, "bye")
        await connection.wait_closed()
        assert recorder.closed == (1001, "bye")
        assert listener.connections == set()
        connection.abort()
        connection.close()
        assert connection.num_buffered_bytes == 0


async def test_our_close_reaches_the_client() -> None:
    async with listening() as (listener, visits):
        async with connect(listener.url, proxy=None) as client:
            connection, recorder = await visits.next()
            connection.close(1013, "later")
            with pytest.raises(websockets.ConnectionClosed):
                await client.recv()
            assert (client.close_code, client.close_reason) == (1013, "later")
        await connection.wait_closed()
        assert recorder.closed == (1013, "later")


async def test_a_message_that_is_too_long_is_told_even_while_it_is_still_being_sent() -> None:
    settings = ListenerSettings(connection=ConnectionSettings(max_message_bytes=1000))
    async with listening(settings=settings) as (listener, visits):
        async with raw_peer(listener) as peer:
            await peer.shake_hands()
            peer.write(binary(bytes(5_000_000)))
            assert (await peer.read_all())[2:4] == (1009).to_bytes(2, "big")
        connection, recorder = await visits.next()
        await connection.wait_closed()
        assert recorder.closed is not None
        assert recorder.closed[0] == 1009


async def test_compression_is_not_negotiated() -> None:
    async with listening() as (listener, _), connect(listener.url, proxy=None) as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


async def test_messages_are_compressed_where_that_is_asked_for_and_offered() -> None:
    settings = ListenerSettings(
        permessage_deflate=True, connection=ConnectionSettings(max_message_bytes=100_000)
    )
    async with listening(settings=settings) as (listener, visits):
        async with connect(listener.url, proxy=None) as client:
            assert client.response is not None
            offer = client.response.headers["Sec-WebSocket-Extensions"]
            assert offer.startswith("permessage-deflate")
            connection, recorder = await visits.next()
            messages: list[bytes | str] = [b"", b"audio", "é" * 1000, bytes(100_000)]
            for message in messages:
                await client.send(message)
            await until(lambda: recorder.messages == messages)
            for message in messages:
                connection.send(message)
                assert await client.recv() == message
            assert connection.num_bytes_received < 5000
            assert connection.num_bytes_sent == sum((5, 2000, 100_000))
        async with connect(listener.url, compression=None, proxy=None) as client:
            connection, _ = await visits.next()
            connection.send("plain")
            assert await client.recv() == "plain"


async def test_a_message_that_is_too_long_when_it_is_unpacked_is_refused() -> None:
    settings = ListenerSettings(
        permessage_deflate=True, connection=ConnectionSettings(max_message_bytes=100_000)
    )
    async with listening(settings=settings) as (listener, visits):
        async with connect(listener.url, proxy=None) as client:
            _, recorder = await visits.next()
            await client.send(bytes(100_001))
            with pytest.raises(websockets.ConnectionClosed):
                await client.recv()
            assert client.close_code == 1009
        assert recorder.messages == []


async def test_the_first_of_our_subprotocols_that_the_client_offers_is_chosen() -> None:
    settings = ListenerSettings(subprotocols=("a", "b"))
    async with listening(settings=settings) as (listener, visits):
        for names, chosen in ((["c", "b"], "b"), (["c"], None), ([], None)):
            offered = [Subprotocol(name) for name in names] or None
            async with connect(listener.url, subprotocols=offered, proxy=None) as client:
                assert client.subprotocol == chosen
                connection, _ = await visits.next()
                assert connection.subprotocol == chosen


async def test_firefox_may_say_keep_alive_too() -> None:
    async with listening() as (listener, visits), raw_peer(listener) as peer:
        await peer.shake_hands(
            upgrade("/", "Connection: keep-alive, Upgrade", without="Connection")
        )
        await visits.next()


async def test_what_comes_right_behind_the_handshake_is_not_lost() -> None:
    async with listening() as (listener, visits), raw_peer(listener) as peer:
        await peer.shake_hands(upgrade() + binary(b"one") + binary(b"two")[:3])
        _, recorder = await visits.next()
        await until(lambda: recorder.messages == [b"one"])


async def test_what_comes_while_admission_is_thinking_is_not_lost() -> None:
    decided = asyncio.Event()

    async def admit(_: object) -> None:
        await decided.wait()

    async with listening(admit=admit) as (listener, visits), raw_peer(listener) as peer:
        sent = [bytes((n,)) * 1000 for n in range(100)]
        peer.write(upgrade() + b"".join(map(binary, sent)))
        await until(lambda: listener.num_pending_handshakes == 1)
        decided.set()
        assert (await peer.read_head()).startswith("HTTP/1.1 101")
        _, recorder = await visits.next()
        await until(lambda: len(recorder.messages) == 100)
        assert recorder.messages == sent


async def test_the_handshake_may_come_byte_by_byte() -> None:
    async with listening() as (listener, visits), raw_peer(listener) as peer:
        for value in upgrade():
            peer.write(bytes((value,)))
            await asyncio.sleep(0)
        assert (await peer.read_head()).startswith("HTTP/1.1 101")
        await visits.next()


async def test_nothing_is_read_until_the_owner_starts_the_connection() -> None:
    kept: list[Connection] = []
    async with (
        listening(on_connection=kept.append) as (listener, visits),
        raw_peer(listener) as peer,
    ):
        await peer.shake_hands()
        for _ in range(200):
            peer.write(binary(bytes(60_000)))
        await until(lambda: bool(kept))
        (connection,) = kept
        await asyncio.sleep(0.02)
        assert connection.num_bytes_received < 300_000
        visits(connection)
        _, recorder = await visits.next()
        await until(lambda: len(recorder.messages) == 200)


async def test_a_flood_of_pings_by_a_client_that_never_reads_stays_bounded() -> None:
    async with listening() as (listener, visits), raw_peer(listener) as peer:
        await peer.shake_hands()
        connection, _ = await visits.next()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        flood = client_frame(Opcode.PING, bytes(125)) * 1000
        highest = 0
        # Until what the kernels hold between the two is full, and nothing moves any more.
        while peer.writer.transport.get_write_buffer_size() < 1_000_000:
            peer.write(flood)
            for _ in range(10):
                await asyncio.sleep(0)
                highest = max(highest, connection.num_buffered_bytes)
        received = connection.num_bytes_received
        for _ in range(50):
            await asyncio.sleep(0)
        assert highest < 200_000
        assert connection.num_bytes_received - received < 300_000


async def test_a_client_that_vanishes_is_noticed() -> None:
    async with listening() as (listener, visits):
        async with raw_peer(listener) as peer:
            await peer.shake_hands()
            connection, recorder = await visits.next()
        await connection.wait_closed()
        assert recorder.closed == (1006, "connection lost")


async def test_a_half_open_peer_is_found_out_by_a_ping() -> None:
    clock = VirtualClock()
    async with listening(clock=clock) as (listener, visits), raw_peer(listener) as peer:
        await peer.shake_hands()
        connection, recorder = await visits.next()
        clock.advance(10)
        assert await peer.read(2) == b"\x89\x00"
        clock.advance(10)
        assert (await peer.read(4))[2:] == (1011).to_bytes(2, "big")
        assert not connection.is_open
        clock.advance(1)
        await connection.wait_closed()
        assert recorder.closed == (1011, "ping timeout")


async def test_a_peer_that_never_answers_the_close_is_aborted() -> None:
    clock = VirtualClock()
    async with listening(clock=clock) as (listener, visits), raw_peer(listener) as peer:
        await peer.shake_hands()
        connection, recorder = await visits.next()
        connection.close(1001)
        assert await peer.read(4) == b"\x88\x02\x03\xe9"
        clock.advance(5)
        await connection.wait_closed()
        assert recorder.closed == (1001, "")


async def test_an_owner_that_fails_loses_only_this_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: Connection) -> None:
        raise LookupError("a bug")

    async with listening(on_connection=fail) as (listener, _):
        for _ in range(2):
            async with raw_peer(listener) as peer:
                await peer.shake_hands()
                assert (await peer.read(4))[2:] == (1011).to_bytes(2, "big")
                peer.write(close_frame(1011))
                await peer.read_all()
    assert "a bug" in caplog.text


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Leave this process no file descriptor."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 8, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_without_a_file_descriptor_nobody_is_taken_until_there_is_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = VirtualClock()
    async with listening(clock=clock) as (listener, visits), raw_peer(listener) as peer:
        await peer.shake_hands()
        _, recorder = await visits.next()
        with socket.socket() as unlucky:
            unlucky.setblocking(False)
            with no_descriptor_left():
                with contextlib.suppress(BlockingIOError):
                    unlucky.connect(("127.0.0.1", listener.port))
                peer.write(binary(b"still here"))
                await until(lambda: recorder.messages == [b"still here"])
                await asyncio.sleep(0.02)
        clock.advance(OUT_OF_FILES_SECS)
        async with raw_peer(listener) as another:
            await another.shake_hands()
            await visits.next()
    assert len(caplog.records) <= 1, "one line says it"


async def test_callers_wait_in_the_kernel_between_bind_and_start() -> None:
    visits: list[Connection] = []
    listener = Listener(host="localhost", port=0, on_connection=visits.append)
    listener.bind()
    assert listener.port
    try:
        async with raw_peer(listener) as peer:
            peer.write(upgrade())
            await listener.start()
            assert (await peer.read_head()).startswith("HTTP/1.1 101")
            visits[0].abort()
            await visits[0].wait_closed()
    finally:
        await listener.close()


async def test_a_second_listener_on_the_port_is_told_so() -> None:
    async with listening() as (listener, _):
        second = Listener(host="127.0.0.1", port=listener.port, on_connection=lambda _: None)
        with pytest.raises(AddressInUseError):
            second.bind()


async def test_localhost_listens_in_both_families() -> None:
    async with listening(host="localhost") as (listener, visits):
        assert listener.url == f"ws://localhost:{listener.port}"
        for sock in list(listener._sockets):
            async with raw_peer(listener, sock.getsockname()[0]) as peer:
                await peer.shake_hands()
                await visits.next()


async def test_a_closed_listener_has_given_back_its_port_and_keeps_its_connections() -> None:
    async with (
        listening(http_app=make_http_app) as (listener, visits),
        raw_peer(listener) as peer,
        raw_peer(listener) as undecided,
    ):
        await peer.shake_hands()
        connection, recorder = await visits.next()
        undecided.write(b"GET /")
        await until(lambda: listener.num_pending_handshakes == 1)
        await listener.close()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", listener.port))
            again.listen()
        with contextlib.suppress(ConnectionResetError):
            assert await undecided.read_all() == b""
        peer.write(binary(b"still here"))
        await until(lambda: recorder.messages == [b"still here"])
        assert connection.is_open


async def test_a_listener_that_was_never_started_can_be_closed() -> None:
    listener = Listener(host="127.0.0.1", port=0, on_connection=lambda _: None)
    await listener.close()
    listener.bind()
    with pytest.raises(RuntimeError, match="bound"):
        listener.bind()
    await listener.close()


async def test_a_query_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="voicewire")
    caplog.set_level(logging.DEBUG, logger="websockets.server")
    async with listening() as (listener, visits):
        async with raw_peer(listener) as peer:
            await peer.shake_hands(upgrade("/ws?token=s3cret"))
            connection, _ = await visits.next()
            connection.send("what somebody says")
        async with raw_peer(listener) as peer:
            await peer.answer(upgrade("/ws?token=s3cret", "Origin: http://evil.example"))
    assert "evil.example" in caplog.text
    assert "s3cret" not in caplog.text
    assert "somebody says" not in caplog.text
