"""Events that an application can handle."""

import asyncio
import functools
from typing import Any

import pytest

from voicewire.events import EventEmitter, nearest_name

pytestmark = pytest.mark.anyio


async def test_handlers_are_called_in_order_with_the_arguments() -> None:
    emitter, calls = EventEmitter("on_open", "on_close"), list[tuple[Any, ...]]()

    @emitter.event_handler("on_open")
    async def first(*args: int) -> None:
        calls.append(("first", *args))

    async def second(*args: int) -> None:
        calls.append(("second", *args))

    emitter.add_event_handler("on_open", second)
    await emitter.emit("on_open", 1, 2)
    await emitter.emit("on_close")
    assert calls == [("first", 1, 2), ("second", 1, 2)]


async def test_the_decorator_gives_the_function_back() -> None:
    emitter = EventEmitter("on_open")

    async def handler() -> None: ...

    assert emitter.event_handler("on_open")(handler) is handler


async def test_a_handler_that_awaits_something_cancelled_does_not_end_the_emitter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    emitter, calls = EventEmitter("on_open"), list[str]()

    @emitter.event_handler("on_open")
    async def awaits_the_cancelled() -> None:
        cancelled = asyncio.get_running_loop().create_future()
        cancelled.cancel()
        await cancelled

    @emitter.event_handler("on_open")
    async def next_one() -> None:
        calls.append("next")

    await emitter.emit("on_open")
    assert calls == ["next"]
    assert "awaited something cancelled" in caplog.text


async def test_cancelling_the_emitter_reaches_its_handler() -> None:
    emitter, entered = EventEmitter("on_open"), asyncio.Event()

    @emitter.event_handler("on_open")
    async def waits() -> None:
        entered.set()
        await asyncio.Event().wait()

    emitting = asyncio.create_task(emitter.emit("on_open"))
    await entered.wait()
    emitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await emitting


async def test_a_failing_handler_is_logged_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    emitter, calls = EventEmitter("on_open"), list[str]()

    @emitter.event_handler("on_open")
    async def fails() -> None:
        raise LookupError("on purpose")

    @emitter.event_handler("on_open")
    async def works() -> None:
        calls.append("works")

    await emitter.emit("on_open")
    assert calls == ["works"]
    assert "a handler of 'on_open' failed" in caplog.text
    assert "LookupError: on purpose" in caplog.text


async def test_a_handler_added_by_a_handler_runs_the_next_time() -> None:
    emitter, calls = EventEmitter("on_open"), list[str]()

    async def later() -> None:
        calls.append("later")

    @emitter.event_handler("on_open")
    async def adds() -> None:
        emitter.add_event_handler("on_open", later)

    await emitter.emit("on_open")
    assert calls == []
    await emitter.emit("on_open")
    assert calls == ["later"]


async def test_an_unknown_event_is_an_error_that_lists_the_known_ones() -> None:
    emitter = EventEmitter("on_open", "on_close")
    message = r"no event 'on_opened'; the events are on_close, on_open\. Did you mean 'on_open'\?"
    with pytest.raises(ValueError, match=message):
        emitter.event_handler("on_opened")
    with pytest.raises(ValueError, match=message):
        await emitter.emit("on_opened")


@pytest.mark.parametrize("handler", [print, 3, lambda: None], ids=["builtin", "number", "lambda"])
def test_a_handler_that_cannot_be_awaited_is_refused(handler: Any) -> None:
    emitter = EventEmitter("on_open")
    with pytest.raises(TypeError, match="must be an `async def` function"):
        emitter.add_event_handler("on_open", handler)


async def test_methods_partials_and_callable_objects_can_be_handlers() -> None:
    calls: list[str] = []

    class Callable:
        async def __call__(self) -> None:
            calls.append("object")

        async def method(self) -> None:
            calls.append("method")

    async def takes(name: str) -> None:
        calls.append(name)

    emitter = EventEmitter("on_open")
    emitter.add_event_handler("on_open", Callable())
    emitter.add_event_handler("on_open", Callable().method)
    emitter.add_event_handler("on_open", functools.partial(takes, "partial"))
    await emitter.emit("on_open")
    assert calls == ["object", "method", "partial"]


def test_the_nearest_name_is_suggested_only_where_there_is_one() -> None:
    assert nearest_name("on_opne", ["on_open", "on_close"]) == " Did you mean 'on_open'?"
    assert nearest_name("zzz", ["on_open"]) == ""
