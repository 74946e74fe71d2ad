"""Events that an application can handle: `@transport.event_handler("on_client_connected")`."""

import asyncio
import contextvars
import difflib
import inspect
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

EventHandler = Callable[..., Awaitable[None]]
Handler = TypeVar("Handler", bound=EventHandler)


_WHEN_TOLD_TO_EXIT: contextvars.ContextVar[weakref.WeakMethod[Callable[[], None]] | None] = (
    contextvars.ContextVar("what a handler's wish to exit ends", default=None)
)


def confine_exits(end: Callable[[], None]) -> None:
    """Let a handler that raises SystemExit or KeyboardInterrupt end no more than `end` does.

    Holds for this asyncio task and those that it starts. For the sessions of a server: elsewhere,
    such a handler ends the program, as it should.

    Args:
        end: A bound method. Its object is not kept alive, as a cancelled timer keeps the context
            in which it was made until it would have fired.
    """
    _WHEN_TOLD_TO_EXIT.set(weakref.WeakMethod(end))


def nearest_name(name: str, known: list[str]) -> str:
    """Return `" Did you mean 'x'?"` for the known name most like `name`, else an empty string."""
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {matches[0]!r}?" if matches else ""


class EventEmitter:
    """Keeps the handlers of a fixed set of events and calls them.

    Handlers are coroutine functions. They are awaited one after the other in the order in which
    they were added; one that fails is logged with its traceback, and the next one runs. One that
    asks to exit ends the program, or its session where `confine_exits` says so.
    """

    def __init__(self, *event_names: str) -> None:
        self._handlers: dict[str, list[EventHandler]] = {name: [] for name in event_names}

    def event_handler(self, event_name: str) -> Callable[[Handler], Handler]:
        """Return a decorator that adds a handler.

        Raises:
            ValueError: There is no such event; the message lists those that there are.
            TypeError: The handler is not an `async def` function.
        """

        def decorate(handler: Handler) -> Handler:
            self.add_event_handler(event_name, handler)
            return handler

        self._handlers_of(event_name)
        return decorate

    def add_event_handler(self, event_name: str, handler: EventHandler) -> None:
        """Add a handler; raises as `event_handler` does."""
        handlers = self._handlers_of(event_name)
        if not _is_async_callable(handler):
            raise TypeError(f"the handler of {event_name!r} must be an `async def` function")
        handlers.append(handler)

    def forget_handlers(self) -> None:
        """Call nobody any more, and hold nobody: handlers often hold what would call them."""
        for handlers in self._handlers.values():
            handlers.clear()

    async def emit(self, event_name: str, *args: Any) -> None:
        """Call the event's handlers with `args`; returns when the last one has returned."""
        for handler in tuple(self._handlers_of(event_name)):
            try:
                await handler(*args)
            except asyncio.CancelledError:
                if _is_being_cancelled():
                    raise
                logger.exception("a handler of %r awaited something cancelled", event_name)
            except Exception:
                logger.exception("a handler of %r failed", event_name)
            except (SystemExit, KeyboardInterrupt) as exc:
                confined = _WHEN_TOLD_TO_EXIT.get()
                if confined is None:
                    raise
                asked = type(exc).__name__
                logger.error("a handler of %r raised %s: its session ends", event_name, asked)
                if (end := confined()) is not None:
                    end()

    def _handlers_of(self, event_name: str) -> list[EventHandler]:
        try:
            return self._handlers[event_name]
        except KeyError:
            known = sorted(self._handlers)
            raise ValueError(
                f"there is no event {event_name!r}; the events are {', '.join(known)}."
                + nearest_name(event_name, known)
            ) from None


def _is_async_callable(handler: object) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - an object with an async __call__
    )


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
