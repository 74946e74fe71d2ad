import asyncio

import pytest

from tests.transports.fake_transport import close_frame, started
from tests.transports.raw_peer import listening, raw_peer
from voicewire.errors import SessionClosed
from voicewire.testing.clock import VirtualClock
from voicewire.transports.client import ClientConnection

pytestmark = pytest.mark.anyio


async def test_it_tells_who_the_client_is_and_keeps_its_secrets() -> None:
    connection, _, _ = await started()
    client = ClientConnection(connection)
    assert client.id == connection.id
    assert client.remote_address == ("127.0.0.1", 4711)
    assert (client.path, client.query, dict(client.headers)) == ("/ws", {"token": "secret"}, {})
    assert "secret" not in repr(client)


async def test_sending_waits_while_the_client_takes_nothing() -> None:
    connection, transport, _ = await started(drains=False)
    client = ClientConnection(connection)
    await client.send(bytes(70_000))
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(client.send(b"more"))
        await asyncio.sleep(0)
        assert not sending.done()
        transport.drain()
    assert transport.written.endswith(b"\x82\x04more")


async def test_who_waits_to_send_is_told_that_the_client_has_left() -> None:
    connection, _, _ = await started(drains=False)
    client = ClientConnection(connection)
    await client.send(bytes(70_000))
    asyncio.get_running_loop().call_soon(connection.connection_lost, None)
    with pytest.raises(SessionClosed) as caught:
        await client.send(b"more")
    assert caught.value.code == 1006


async def test_closing_returns_when_it_is_closed() -> None:
    async with listening() as (listener, visits), raw_peer(listener) as peer:
        await peer.shake_hands()
        connection, recorder = await visits.next()
        peer.write(close_frame(1000))
        client = ClientConnection(connection)
        await client.close(1000, "bye")
        assert not client.is_open
        assert recorder.closed is not None


async def test_closing_is_bounded_even_if_the_client_never_answers() -> None:
    clock = VirtualClock()
    connection, _, recorder = await started(clock=clock)
    client = ClientConnection(connection)
    asyncio.get_running_loop().call_soon(clock.advance, 5)
    await client.close(1001)
    assert recorder.closed == (1001, "")
