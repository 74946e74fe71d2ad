"""Some schedules of the simulation; `make simulate` runs thousands."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from tests.simulation.caller import ENDS
from tests.simulation.complaints import Complaints
from tests.simulation.loop import SimulatedLoop, StandstillError
from tests.simulation.network import WINDOW_BYTES, Link, Weather
from tests.simulation.world import Outcome, run

NUM_SEEDS = 40


@pytest.fixture(scope="module")
def outcomes() -> dict[int, Outcome]:
    """Return what came of each seed."""
    return {seed: run(seed) for seed in range(NUM_SEEDS)}


def test_whatever_callers_do_all_ends_in_order(outcomes: dict[int, Outcome]) -> None:
    for seed, outcome in outcomes.items():
        problems = outcome.problems
        assert not problems, f"python -m tests.simulation --seed {seed}: {problems}"


def test_a_seed_tells_the_same_story_again(outcomes: dict[int, Outcome]) -> None:
    assert run(5) == outcomes[5]


def test_the_schedules_are_of_all_kinds(outcomes: dict[int, Outcome]) -> None:
    story = "\n".join(line for outcome in outcomes.values() for line in outcome.story)
    for deed in (*ENDS, "babble", "stop reading", "stall", "wish", "burst"):
        assert deed in story
    assert sum(outcome.num_sessions for outcome in outcomes.values()) > NUM_SEEDS


# What is simulated behaves as the real thing.


def test_time_passes_only_where_nothing_else_is_to_do() -> None:
    loop = SimulatedLoop()
    before = loop.time()
    loop.run_until_complete(asyncio.sleep(3600))
    assert loop.time() == pytest.approx(before + 3600)
    loop.close()


def test_waiting_for_what_will_never_come_is_an_error() -> None:
    loop = SimulatedLoop()
    with pytest.raises(StandstillError):
        loop.run_until_complete(loop.create_future())
    loop.close()


class Ear:
    """A client that keeps what comes."""

    def __init__(self) -> None:
        self.heard = b""
        self.ends: list[bool] = []

    def received(self, data: bytes) -> None:
        self.heard += data

    def ended(self, *, is_reset: bool) -> None:
        self.ends.append(is_reset)


class Server(asyncio.Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard = b""
        self.told: list[str] = []

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return False

    def pause_writing(self) -> None:
        self.told.append("paused")

    def resume_writing(self) -> None:
        self.told.append("resumed")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("reset" if exc else "lost")


class Wire:
    """A link between an ear and a server."""

    def __init__(self) -> None:
        self.loop = SimulatedLoop()
        self.ear, self.server = Ear(), Server()
        self.weather = Weather(delay_secs=0.1)
        self.link = Link(self.loop, self.server, self.ear, ("10.0.0.1", 1), self.weather)
        self.transport = self.link.transport

    def wait(self, secs: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(secs))


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.loop.close()


def test_bytes_take_their_time_and_keep_their_order(wire: Wire) -> None:
    wire.link.send(b"a")
    wire.weather.delay_secs = 0.0
    wire.link.send(b"b")
    wire.transport.write(b"c")
    wire.wait(0.05)
    assert (wire.server.heard, wire.ear.heard) == (b"", b"c")
    wire.wait(0.1)
    assert wire.server.heard == b"ab"


def test_a_client_that_does_not_read_makes_the_server_pause(wire: Wire) -> None:
    wire.link.read(reads=False)
    for _ in range(4):
        wire.transport.write(bytes(WINDOW_BYTES))
    wire.wait(1.0)
    assert wire.server.told == ["paused"]
    assert wire.transport.get_write_buffer_size() == 3 * WINDOW_BYTES
    wire.link.read(reads=True)
    wire.wait(5.0)
    assert wire.server.told == ["paused", "resumed"]
    assert len(wire.ear.heard) == 4 * WINDOW_BYTES


def test_a_server_that_does_not_read_gets_it_later(wire: Wire) -> None:
    wire.transport.pause_reading()
    wire.link.send(b"a")
    wire.wait(1.0)
    assert wire.server.heard == b""
    wire.transport.resume_reading()
    wire.wait(0.0)
    assert wire.server.heard == b"a"


def test_who_closes_says_all_before(wire: Wire) -> None:
    wire.transport.write(b"goodbye")
    wire.transport.close()
    wire.transport.write(b"nobody hears this")
    wire.wait(1.0)
    assert (wire.ear.heard, wire.ear.ends, wire.server.told) == (b"goodbye", [False], ["lost"])


def test_an_end_of_one_side_is_told(wire: Wire) -> None:
    wire.link.send_end()
    wire.wait(1.0)
    assert (wire.server.told, wire.ear.ends) == (["eof", "lost"], [False])


def test_a_reset_is_told(wire: Wire) -> None:
    wire.link.reset()
    wire.wait(1.0)
    assert (wire.server.told, wire.ear.ends) == (["reset"], [True])


def test_who_closes_with_bytes_unread_resets(wire: Wire) -> None:
    wire.transport.pause_reading()
    wire.link.send(b"a")
    wire.wait(1.0)
    wire.transport.abort()
    wire.wait(1.0)
    assert wire.ear.ends == [True]


def test_a_network_that_is_cut_tells_nobody(wire: Wire) -> None:
    wire.link.send(b"a")
    wire.weather.is_cut = True
    wire.transport.write(b"b")
    wire.link.reset()
    wire.wait(100.0)
    assert (wire.server.heard, wire.server.told) == (b"", [])
    assert (wire.ear.heard, wire.ear.ends) == (b"", [])


def test_what_is_logged_with_a_traceback_is_a_complaint() -> None:
    logger = logging.getLogger("voicewire.example")
    with Complaints() as complaints:
        logger.warning("message refused")
        logger.error("it failed")
        try:
            raise ValueError("odd")
        except ValueError:
            logger.warning("as it happens", exc_info=True)
    assert len(complaints.texts) == 2
