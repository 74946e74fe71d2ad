"""A connection of which nothing is read for a while."""

import pytest

from tests.transports.fake_transport import binary, close_frame, started, turn
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
