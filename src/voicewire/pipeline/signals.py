"""SIGINT and SIGTERM, shared by all who want to know of them on one event loop."""

import asyncio
import contextvars
import functools
import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

Listener = Callable[[signal.Signals], None]

_ARE_LEFT_ALONE = contextvars.ContextVar("signals are left alone", default=False)


def leave_signals_alone() -> None:
    """Let the runners of this asyncio task, and of those that it starts, handle no signals.

    For the sessions of a server: it is the program, not one of its sessions, that is told to end.
    """
    _ARE_LEFT_ALONE.set(True)


class SignalWatch:
    """Tells its listeners of one signal, for as long as there are any.

    It takes a signal over only from Python's or asyncio's default, and gives it back: a program
    that handles the signal itself, such as a server that drains its callers, goes on doing so.
    """

    def __init__(self, number: signal.Signals) -> None:
        self._number = number
        self._listeners: list[Listener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._previous: Any = None

    def add(self, listener: Listener) -> None:
        """Tell `listener`, on the running loop. Outside the main thread nothing is told."""
        if _ARE_LEFT_ALONE.get():
            return
        loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            logger.debug("%s is not handled outside the main thread", self._number.name)
            return
        if self._loop is not loop:  # There is one loop at a time in the main thread.
            self._listeners.clear()
            self._loop = None
            self._take_over(loop)
        self._listeners.append(listener)

    def remove(self, listener: Listener) -> None:
        """Stop telling `listener`; unknown ones are none of ours."""
        if listener not in self._listeners:
            return
        self._listeners.remove(listener)
        if self._loop is not None and not self._listeners:
            self._loop.remove_signal_handler(self._number)
            self._loop = None
            signal.signal(self._number, self._previous)

    def _take_over(self, loop: asyncio.AbstractEventLoop) -> None:
        previous = signal.getsignal(self._number)
        if not _is_default(previous):
            logger.debug("%s is left to the program's own handler", self._number.name)
            return
        try:
            loop.add_signal_handler(self._number, self._tell)
        except NotImplementedError:
            logger.debug("%s cannot be handled on this platform", self._number.name)
            return
        self._previous = previous
        self._loop = loop

    def _tell(self) -> None:
        logger.info("%s received", self._number.name)
        for listener in tuple(self._listeners):
            listener(self._number)


def _is_default(handler: object) -> bool:
    if handler in (signal.SIG_DFL, signal.default_int_handler):
        return True
    # What asyncio.run() puts in the place of default_int_handler.
    return isinstance(handler, functools.partial) and isinstance(
        getattr(handler.func, "__self__", None), asyncio.Runner
    )


WATCHES = {number: SignalWatch(number) for number in (signal.SIGINT, signal.SIGTERM)}
"""The process's own: signals belong to no one session."""
