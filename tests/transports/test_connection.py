import logging

import pytest
from websockets.frames import Opcode

from tests.transports.fake_transport import (
    Recorder,
    binary,
    client_frame,
    close_frame,
    make_connection,
    started,
    turn,
)
from voicewire.errors import SessionClosed
from voicewire.testing.clock import VirtualClock
from voicewire.transports.connection import DEAD_PEER_GRACE_SECS, Connection
from voicewire.transports.engine import MAX_FRAMES_PER_TURN, MAX_PENDING_PONGS
from voicewire.transports.fragments import MAX_EMPTY_FRAGMENTS
from voicewire.transports.settings import ConnectionSettings

pytestmark = pytest.mark.anyio


class Echo(Recorder):
    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.message_received = connection.send  # type: ignore[method-assign]


def server_close(code: int, reason: str = "") -> bytes:
    payload = code.to_bytes(2, "big") + reason.encode()
    return bytes((0x88, len(payload))) + payload


async def test_nothing_is_read_before_the_start() -> None:
    connection, transport = make_connection()
    assert not transport.is_reading()
    connection.start(Recorder())
    await turn()
    assert transport.is_reading()


async def test_what_came_behind_the_handshake_comes_first() -> None:
    stream = binary(b"one") + binary(b"two") + binary(b"three")
    connection, _ = make_connection(early_bytes=stream[:13])
    recorder = Recorder()
    connection.start(recorder)
    connection.data_received(stream[13:20])  # a read that was under way
    assert recorder.messages == []
    await turn()
    connection.data_received(stream[20:])
    assert recorder.messages == [b"one", b"two", b"three"]


async def test_a_connection_is_started_once() -> None:
    connection, _, _ = await started()
    with pytest.raises(RuntimeError, match="already"):
        connection.start(Recorder())


async def test_a_start_after_the_end_tells_of_the_end() -> None:
    connection, _ = make_connection()
    connection.connection_lost(None)
    recorder = Recorder()
    connection.start(recorder)
    await turn()
    assert recorder.closed == (1006, "connection lost")


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
async def test_a_message_of_any_length_is_sent_with_the_right_head(length: int) -> None:
    connection, transport, _ = await started()
    connection.send(bytes(length))
    connection.send("é" * length)
    head_bytes = [2 if n < 126 else 4 if n < 65536 else 10 for n in (length, 2 * length)]
    assert transport.written[0] == 0x82
    assert transport.written[head_bytes[0] + length] == 0x81
    assert len(transport.written) == sum(head_bytes) + 3 * length
    assert (connection.num_messages_sent, connection.num_bytes_sent) == (2, 3 * length)


async def test_a_flood_of_frames_in_one_read_leaves_the_others_their_turn() -> None:
    connection, transport, recorder = await started()
    connection.data_received(binary(b"ab") * (2 * MAX_FRAMES_PER_TURN + 5))
    assert len(recorder.messages) == MAX_FRAMES_PER_TURN
    assert not transport.is_reading()
    await turn()
    assert len(recorder.messages) == 2 * MAX_FRAMES_PER_TURN + 5
    assert transport.is_reading()


async def test_of_many_pings_only_the_latest_are_answered() -> None:
    connection, transport, _ = await started()
    pings = [client_frame(Opcode.PING, bytes((n,))) for n in range(100)]
    connection.data_received(b"".join(pings))
    pongs = [bytes((0x8A, 1, n)) for n in range(100)][-MAX_PENDING_PONGS:]
    assert bytes(transport.written) == b"".join(pongs)


async def test_a_flood_of_pings_is_read_at_the_speed_of_a_hundred_a_second() -> None:
    clock = VirtualClock()
    connection, transport, recorder = await started(clock=clock)
    ping = client_frame(Opcode.PING, b"")
    connection.data_received(ping * 100 + binary(b"heard"))
    await turn()
    assert transport.is_reading()
    num_sent, began_at = 100, clock.now()
    while clock.now() - began_at < 20.0:
        if transport.is_reading():
            connection.data_received(ping * 100)
            num_sent += 100
        await turn()
        clock.advance(0.1)
    assert 2500 <= num_sent <= 3200
    assert connection.is_open
    assert b"heard" in recorder.messages


async def test_a_peer_that_asks_but_never_listens_is_not_read_any_more() -> None:
    connection, transport, recorder = await started(drains=False)
    ping = client_frame(Opcode.PING, bytes(125))
    reads = 0
    while transport.is_reading():
        connection.data_received(ping * MAX_PENDING_PONGS)
        await turn()
        reads += 1
        assert reads < 1000
    assert connection.is_writing_paused
    assert connection.num_buffered_bytes < 2 * 64 * 1024
    assert recorder.events == ["paused"]
    transport.drain()
    await turn()
    assert transport.is_reading()
    assert recorder.events == ["paused", "resumed"]


async def test_writing_can_be_waited_for() -> None:
    connection, transport, _ = await started(drains=False)
    connection.send(bytes(70_000))
    assert connection.is_writing_paused
    connection._loop.call_soon(transport.drain)
    await connection.wait_writable()
    assert not connection.is_writing_paused


async def test_the_peers_close_is_answered_and_told() -> None:
    connection, transport, recorder = await started()
    connection.data_received(binary(b"last") + close_frame(1001, "bye") + binary(b"late"))
    assert recorder.messages == [b"last"]
    assert bytes(transport.written) == server_close(1001, "bye")
    assert transport.ends == ["close"]
    with pytest.raises(SessionClosed) as caught:
        connection.send(b"x")
    assert (caught.value.code, caught.value.reason) == (1001, "bye")
    connection.eof_received()
    connection.connection_lost(None)
    assert recorder.closed == (1001, "bye")


async def test_our_close_is_told_with_our_code() -> None:
    connection, transport, recorder = await started()
    connection.close(1013, "try again")
    connection.close(1000)
    assert bytes(transport.written) == server_close(1013, "try again")
    assert transport.ends == []
    connection.data_received(binary(b"late") + close_frame(1013))
    assert recorder.messages == []
    assert transport.ends == ["close"]
    connection.connection_lost(None)
    assert recorder.closed == (1013, "try again")


async def test_a_peer_that_does_not_answer_our_close_is_aborted() -> None:
    clock = VirtualClock()
    connection, transport, recorder = await started(clock=clock)
    connection.close()
    clock.advance(4.9)
    assert transport.ends == []
    clock.advance(0.1)
    assert transport.ends == ["abort"]
    await connection.wait_closed()
    assert recorder.closed == (1000, "")


async def test_a_close_before_the_start_still_hears_the_answer() -> None:
    connection, transport = make_connection()
    connection.close(1013)
    await turn()
    assert transport.is_reading()
    connection.data_received(close_frame(1013))
    assert transport.ends == ["close"]
    connection.connection_lost(None)


async def test_a_code_that_may_not_be_sent_is_a_value_error() -> None:
    connection, _, _ = await started()
    with pytest.raises(ValueError, match="1006"):
        connection.close(1006)
    assert connection.is_open


async def test_a_long_reason_is_cut_between_characters() -> None:
    connection, transport, _ = await started()
    connection.close(1000, "é" * 100)
    assert bytes(transport.written) == server_close(1000, "é" * 61)


async def test_an_abort_is_told_as_abnormal() -> None:
    connection, transport, recorder = await started()
    connection.abort()
    assert not connection.is_open
    connection.data_received(binary(b"late") + client_frame(Opcode.PING))
    assert not transport.written
    await connection.wait_closed()
    assert recorder.closed == (1006, "aborted")
    assert recorder.messages == []


async def test_an_end_in_mid_message_is_abnormal() -> None:
    connection, _, recorder = await started()
    connection.data_received(binary(b"half")[:-2])
    connection.eof_received()
    connection.connection_lost(None)
    assert recorder.closed == (1006, "connection lost")


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (binary(bytes(101)), 1009),
        (
            client_frame(Opcode.BINARY, bytes(60), fin=False) * 1
            + client_frame(Opcode.CONT, bytes(41)),
            1009,
        ),
        (client_frame(Opcode.TEXT, b"\xff"), 1007),
        (client_frame(Opcode.TEXT, b"\xc3", fin=False) + client_frame(Opcode.CONT, b"("), 1007),
        (b"\x82\x01x", 1002),
        (client_frame(Opcode.CONT), 1002),
        (
            client_frame(Opcode.BINARY, fin=False)
            + client_frame(Opcode.CONT, fin=False) * MAX_EMPTY_FRAGMENTS,
            1009,
        ),
    ],
    ids=["long", "long in parts", "text", "text in parts", "not masked", "lost", "endless"],
)
async def test_a_peer_that_breaks_the_rules_is_told_which(stream: bytes, code: int) -> None:
    settings = ConnectionSettings(max_message_bytes=100)
    connection, transport, recorder = await started(settings=settings)
    connection.data_received(stream)
    for _ in range(1 + len(stream) // 6 // MAX_FRAMES_PER_TURN):
        await turn()
    assert transport.written[0] == 0x88
    assert int.from_bytes(transport.written[2:4], "big") == code
    assert transport.ends == ["eof"]
    connection.connection_lost(None)
    assert recorder.closed is not None
    assert recorder.closed[0] == code
    assert recorder.messages == []


async def test_a_close_in_the_middle_of_a_message_is_answered_with_its_own_code() -> None:
    for cuts in (1, 3, 100):
        connection, transport, recorder = await started()
        stream = client_frame(Opcode.TEXT, b"begun", fin=False) + close_frame(1001, "bye")
        for start in range(0, len(stream), cuts):
            connection.data_received(stream[start : start + cuts])
        assert bytes(transport.written) == server_close(1001, "bye")
        assert transport.ends == ["close"]
        connection.connection_lost(None)
        assert (recorder.closed, recorder.messages) == ((1001, "bye"), [])


async def test_ten_pings_at_once_are_all_answered() -> None:
    connection, transport, _ = await started()
    connection.data_received(b"".join(client_frame(Opcode.PING, b"%d" % n) for n in range(10)))
    assert bytes(transport.written) == b"".join(b"\x8a\x01%d" % n for n in range(10))


async def test_a_ping_is_answered_before_the_message_that_it_came_in_the_middle_of() -> None:
    for after in (client_frame(Opcode.CONT, b"b"), client_frame(Opcode.CONT, b"b") + binary(b"c")):
        connection, transport = make_connection()
        connection.start(Echo(connection))
        await turn()
        connection.data_received(
            client_frame(Opcode.BINARY, b"a", fin=False) + client_frame(Opcode.PING, b"p") + after
        )
        assert bytes(transport.written).startswith(b"\x8a\x01p\x82\x02ab")


async def test_a_ping_is_answered_before_a_message_behind_it() -> None:
    connection, transport = make_connection()
    connection.start(Echo(connection))
    await turn()
    connection.data_received(client_frame(Opcode.PING, b"p") + binary(b"a"))
    assert bytes(transport.written) == b"\x8a\x01p\x82\x01a"


async def test_characters_may_be_cut_between_fragments() -> None:
    connection, _, recorder = await started()
    connection.data_received(
        client_frame(Opcode.TEXT, b"caf\xc3", fin=False) + client_frame(Opcode.CONT, b"\xa9")
    )
    assert recorder.messages == ["café"]


class Failing(Recorder):
    def message_received(self, message: bytes | str) -> None:
        super().message_received(message)
        raise LookupError("a bug")


async def test_a_receiver_that_fails_is_logged_and_closes_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection, transport = make_connection()
    receiver = Failing()
    connection.start(receiver)
    await turn()
    connection.data_received(binary(b"first") + binary(b"second"))
    assert receiver.messages == [b"first"]
    assert bytes(transport.written) == server_close(1011, "internal error")
    assert "a bug" in caplog.text
    assert connection.id in caplog.text
    connection.data_received(close_frame(1011))
    connection.connection_lost(None)
    assert receiver.closed == (1011, "internal error")


class Answering(Recorder):
    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection

    def message_received(self, message: bytes | str) -> None:
        super().message_received(message)
        self.connection.close()
        self.connection.send(b"too late")


async def test_an_answer_to_somebody_who_has_left_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection, _ = make_connection()
    receiver = Answering(connection)
    connection.start(receiver)
    await turn()
    connection.data_received(binary(b"first") + binary(b"second"))
    assert receiver.messages == [b"first"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_silent_peer_is_pinged_and_then_given_up() -> None:
    clock = VirtualClock()
    connection, transport, recorder = await started(clock=clock)
    clock.advance(10)
    assert bytes(transport.written) == b"\x89\x00"
    clock.advance(10)
    assert bytes(transport.written[2:]) == server_close(1011, "ping timeout")
    assert not connection.is_open
    clock.advance(DEAD_PEER_GRACE_SECS)
    assert transport.ends == ["abort"]
    await connection.wait_closed()
    assert recorder.closed == (1011, "ping timeout")


async def test_audio_is_a_sign_of_life_even_if_no_pong_comes() -> None:
    clock = VirtualClock()
    connection, transport, _ = await started(clock=clock)
    clock.advance(10)
    for _ in range(10):
        clock.advance(9)
        connection.data_received(binary(b"audio"))
    assert connection.is_open
    assert bytes(transport.written) == b"\x89\x00"


async def test_a_peer_that_takes_what_is_sent_is_alive() -> None:
    clock = VirtualClock()
    connection, transport, _ = await started(clock=clock, drains=False)
    for _ in range(10):
        connection.send(bytes(70_000))
        clock.advance(9)
        transport.drain()
    assert connection.is_open


async def test_a_peer_that_half_closes_and_takes_nothing_is_aborted() -> None:
    clock = VirtualClock()
    connection, transport, recorder = await started(clock=clock, drains=False)
    connection.send(bytes(70_000))
    connection.eof_received()
    clock.advance(5)
    assert transport.ends == ["abort"]
    await connection.wait_closed()
    assert recorder.closed == (1006, "connection lost")


async def test_the_query_is_not_shown() -> None:
    connection, _ = make_connection()
    assert "secret" not in repr(connection)
    assert connection.path in repr(connection)
