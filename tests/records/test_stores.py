"""Stores of records: that in memory, and a real Valkey."""

import asyncio
import pickle
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.records.valkey import Valkey, valkey
from voicewire import (
    ConfigurationError,
    MemorySessionStore,
    MissingExtraError,
    RedisSessionStore,
    SessionStore,
)
from voicewire.testing import VirtualClock

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SessionStore]:
    if request.param == "memory":
        yield MemorySessionStore()
        return
    server: Valkey = request.getfixturevalue("server")
    store = RedisSessionStore(server.url)
    yield store
    await store.close()


async def test_a_record_is_taken_once(store: SessionStore) -> None:
    await store.put("once", b'{"a": 1}', expires_secs=60.0)
    takes = await asyncio.gather(*(store.take("once") for _ in range(20)))
    assert [each for each in takes if each is not None] == [b'{"a": 1}']


async def test_a_record_takes_the_place_of_the_one_before(store: SessionStore) -> None:
    await store.put("again", b"first", expires_secs=60.0)
    await store.put("again", b"second", expires_secs=60.0)
    await store.put("other", b"third", expires_secs=60.0)
    assert await store.take("again") == b"second"
    assert await store.take("again") is None
    assert await store.take("other") == b"third"


async def test_a_record_is_gone_when_its_time_is_up(store: SessionStore) -> None:
    await store.put("late", b"{}", expires_secs=0.001)
    await asyncio.sleep(0.02)
    assert await store.take("late") is None


async def test_a_store_that_was_closed_is_asked_again(store: SessionStore) -> None:
    await store.put("closed", b"{}", expires_secs=60.0)
    await store.close()
    assert await store.take("closed") == b"{}"


async def test_memory_has_a_bound_and_a_clock() -> None:
    clock = VirtualClock()
    store = MemorySessionStore(max_records=2, clock=clock)
    for key in ("a", "b", "c"):
        await store.put(key, key.encode(), expires_secs=10.0)
    assert await store.take("a") is None
    clock.advance(9.9)
    assert await store.take("b") == b"b"
    clock.advance(0.2)
    assert await store.take("c") is None


async def test_workers_get_their_own_connections(server: Valkey) -> None:
    store = RedisSessionStore(server.url, prefix="mine:")
    copy = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own
    await store.put("key", b"{}", expires_secs=60.0)
    with server.client() as client:
        assert 0 < client.pttl("mine:key") <= 60_000
    assert await copy.take("key") == b"{}"
    await store.close()
    await copy.close()


@pytest.mark.parametrize("url", ["", "10.0.0.5:6379", "http://:secret@host"])
def test_what_is_no_address_is_told_at_once_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"expected one such as redis://") as refused:
        RedisSessionStore(url)
    assert "secret" not in str(refused.value)


def test_the_password_is_not_printed() -> None:
    assert "secret" not in repr(RedisSessionStore("redis://:secret@localhost:1/0"))


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(MissingExtraError, match=r"voicewire\[redis\]"):
        RedisSessionStore("redis://localhost")
