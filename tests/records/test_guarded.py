"""What a store does that fails, is slow, or has what it should not."""

import asyncio
import gc
import json
import logging
import time

import pytest

from tests.records.valkey import valkey
from voicewire import MemorySessionStore, RedisSessionStore, SessionRecord
from voicewire.records import guarded
from voicewire.records.guarded import GuardedStore, StoreBusyError
from voicewire.records.record import MAX_RECORD_BYTES

pytestmark = pytest.mark.anyio

RECORD = SessionRecord(
    session_id="s1",
    subject="ada",
    path="/",
    began_at=1.0,
    messages=[{"role": "user", "content": "hello"}],
    data={"order": [7, None]},
)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


async def test_a_store_that_is_down_is_told_of_once_and_found_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with valkey() as server:
        store = GuardedStore(RedisSessionStore(server.url))
        assert await store.put("t", b"1", expires_secs=60.0)
        server.stop()
        for _ in range(3):
            assert not await store.put("t", b"2", expires_secs=60.0)
        assert await store.take("t") is None
        assert store.counts.failures == 4
        assert len(errors(caplog)) == 1
        server.start()
        assert await store.put("t", b"3", expires_secs=60.0)
        assert await store.take("t") == b"3"
        server.stop()
        assert await store.take("t") is None
        assert len(errors(caplog)) == 2
        await store.close()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_store_that_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guarded, "STORE_SECS", 0.1)
    with valkey() as server:
        store = GuardedStore(RedisSessionStore(server.url))
        with server.asleep():
            began_at = time.monotonic()
            put = [store.put(str(n), b"1", expires_secs=60.0) for n in range(40)]
            assert await asyncio.gather(*put) == [False] * 40
            takes = [store.take(str(n)) for n in range(100)]
            answers = await asyncio.gather(*takes, return_exceptions=True)
            assert time.monotonic() - began_at < 2.0  # The client's own patience is longer.
        assert sum(isinstance(each, StoreBusyError) for each in answers) == 36
        assert store.counts.failures == 40 + 64
        assert await store.take("unknown") is None
        await store.close()
    gc.collect()  # redis-py leaves it connections whose opening was cancelled.


async def test_who_reads_the_store_finds_no_token() -> None:
    with valkey() as server:
        store = GuardedStore(RedisSessionStore(server.url))
        await store.put("the-token", b"{}", expires_secs=60.0)
        with server.client() as client:
            (key,) = client.keys()
            assert b"the-token" not in key
        await store.drop("the-token")
        with server.client() as client:
            assert client.keys() == []
        await store.close()


def test_a_record_comes_back_as_it_was() -> None:
    assert SessionRecord.from_json(RECORD.to_json()) == RECORD


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        RECORD.to_json()[:-1],
        json.dumps({**RECORD.model_dump(), "version": 2}).encode(),
        json.dumps({**RECORD.model_dump(), "mood": "new"}).encode(),
        json.dumps({**RECORD.model_dump(), "messages": ["hello"]}).encode(),
        json.dumps({**RECORD.model_dump(), "subject": 7}).encode(),
    ],
)
async def test_what_is_no_record_is_counted_and_told_of_once(
    content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = GuardedStore(MemorySessionStore())
    assert store.from_json(content) is None
    assert store.from_json(content) is None
    assert store.counts.failures == 2
    (told,) = errors(caplog)
    assert "no record, or one of another version" in told


@pytest.mark.parametrize(
    ("messages", "data", "told"),
    [
        ([{"content": object()}], None, "something in it is no JSON"),
        ([{"content": "x" * MAX_RECORD_BYTES}], None, "bytes; expected 262144 at most"),
        ([], {"secret": object()}, "something in it is no JSON"),
        (["secret"], None, "something in it is no JSON"),
    ],
)
async def test_a_conversation_that_cannot_be_kept_is_told_of_once_without_its_words(
    messages: list[dict[str, object]],
    data: object,
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = GuardedStore(MemorySessionStore())

    def make_record() -> SessionRecord:
        content = {**RECORD.model_dump(), "messages": messages, "data": data}
        return SessionRecord.model_validate(content)

    assert store.to_json(make_record) is None
    assert store.to_json(make_record) is None
    assert store.counts.unfit == 2
    (line,) = errors(caplog)
    assert told in line
    assert "secret" not in line
