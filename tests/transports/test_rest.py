"""A connection of which nothing is read for a while."""

import asyncio
import select

import pytest
from websockets.frames import Opcode

from tests.sessions.serving import voice_server
from tests.transports.client import audio_message, eventually
from tests.transports.fake_transport import binary, client_frame, close_frame, started, turn
from tests.transports.raw_peer import upgrade
from voicewire.sessions.ends import EndReason
from voicewire.testing import VirtualClock
from voicewire.transports.connection import REST_SIGN_SECS
from voicewire.transports.settings import ConnectionSettings

pytestmark = pytest.mark.anyio


async def test_nothing_is_read_until_the_rest_is_over() -> None:
    clock = VirtualClock()
    connection, transport, _ = await started(clock=clock)
    connection.rest(2.0)
    connection.rest(1.0)  # The longer one counts.
    clock.advance(1.9)
    assert not transport.is_reading()
    clock.advance(0.6)
    assert transport.is_reading()


async def test_a_resting_peer_is_not_taken_for_dead() -> None:
    clock = VirtualClock()
    settings = ConnectionSettings(
        ping_interval_secs=2 * REST_SIGN_SECS, ping_timeout_secs=REST_SIGN_SECS
    )
    connection, _, _ = await started(clock=clock, settings=settings)
    connection.rest(20 * REST_SIGN_SECS)
    clock.advance(20 * REST_SIGN_SECS)
    assert connection.is_open


async def test_a_close_ends_the_rest_for_the_answer_to_be_read() -> None:
    clock = VirtualClock()
    connection, transport, recorder = await started(clock=clock)
    connection.rest(60.0)
    connection.close(1001, "enough")
    clock.advance(REST_SIGN_SECS)
    await turn()
    assert transport.is_reading()
    connection.data_received(close_frame(1001))
    connection.connection_lost(None)
    assert recorder.closed is not None
    assert recorder.closed[0] == 1001


async def test_what_was_read_when_the_rest_began_waits_too() -> None:
    clock = VirtualClock()
    connection, _, recorder = await started(clock=clock)
    connection.data_received(binary(b"ab") * 200)
    num_before = len(recorder.messages)
    connection.rest(1.0)
    await turn()
    assert len(recorder.messages) == num_before
    clock.advance(1.0)
    await turn()
    assert len(recorder.messages) == 200


async def test_a_rest_that_begins_in_mid_read_is_for_what_is_behind_it_too() -> None:
    clock = VirtualClock()
    connection, _, recorder = await started(clock=clock)

    def take_and_rest(message: bytes | str) -> None:
        recorder.messages.append(message)
        connection.rest(1.0)

    recorder.message_received = take_and_rest  # type: ignore[method-assign]
    for number in range(1, 4):
        connection.data_received(binary(b"ab") * 3 if number == 1 else b"")
        await turn()
        assert len(recorder.messages) == number
        clock.advance(1.0)
        await turn()


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="only Linux tells of it")
async def test_who_has_left_behind_what_is_not_read_yet_is_gone_soon() -> None:
    async with voice_server(audio_in_max_ahead_secs=0.5, resume_window_secs=0.0) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        packet = client_frame(Opcode.BINARY, audio_message(bytes(640)))
        writer.write(upgrade("/") + 1000 * packet)  # 20 s.
        await eventually(lambda: server.stats.rests)
        writer.close()
        await eventually(lambda: not server.sessions, 5.0)
        assert server.session_counts.ended == {EndReason.CONNECTION_LOST: 1}
