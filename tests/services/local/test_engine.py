import asyncio
import threading

import pytest

from voicewire.errors import ModelFileError
from voicewire.services.local.engine import Engine

pytestmark = pytest.mark.anyio


class FakeEngine(Engine):
    name = "the fake"

    def __init__(self) -> None:
        super().__init__()
        self.num_loads = 0
        self.failures: list[Exception] = []
        self.may_finish = threading.Event()
        self.may_finish.set()

    def _load_model(self) -> None:
        self.num_loads += 1
        assert self.may_finish.wait(timeout=10)
        if self.failures:
            raise self.failures.pop()


class OtherEngine(FakeEngine):
    name = "the other"


async def test_many_waiters_load_once() -> None:
    engine = FakeEngine()
    await asyncio.gather(*(engine.ready() for _ in range(20)))
    engine.load()
    assert engine.num_loads == 1


async def test_loading_leaves_the_loop_free() -> None:
    engine = FakeEngine()
    engine.may_finish.clear()
    ready = asyncio.ensure_future(engine.ready())
    await asyncio.sleep(0)
    assert not ready.done()
    engine.may_finish.set()
    await ready


async def test_a_cancelled_waiter_does_not_stop_the_loading() -> None:
    engine = FakeEngine()
    engine.may_finish.clear()
    impatient = asyncio.ensure_future(engine.ready())
    patient = asyncio.ensure_future(engine.ready())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    engine.may_finish.set()
    await patient
    assert engine.num_loads == 1


async def test_a_failure_reaches_every_waiter_and_the_next_one_tries_again() -> None:
    engine = FakeEngine()
    engine.failures = [ModelFileError("damaged")]
    engine.may_finish.clear()
    waiters = [asyncio.ensure_future(engine.ready()) for _ in range(3)]
    await asyncio.sleep(0)
    engine.may_finish.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(result) for result in results] == ["damaged"] * 3
    await engine.ready()
    assert engine.num_loads == 2


def test_an_engine_is_loaded_once_it_says_so() -> None:
    engine = FakeEngine()
    before = engine.is_loaded
    engine.load()
    assert (before, engine.is_loaded) == (False, True)


def test_progress_is_a_line_and_the_same_line_with_the_time() -> None:
    lines: list[str] = []
    engine = FakeEngine()
    engine.load(lines.append)
    engine.load(lines.append)
    assert lines == ["loading the fake …", "loading the fake … 0.0 s"]


def test_each_kind_of_engine_is_shared() -> None:
    assert FakeEngine.shared() is FakeEngine.shared()
    assert OtherEngine.shared() is not FakeEngine.shared()
