"""Vendors' clients, shared: a new caller's first request finds a connection that is open.

Making one takes 20 ms of processor time, and its first request a TLS handshake.
"""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class _Shared:
    """A client, or the making of it, and how many use it."""

    making: "asyncio.Future[Any]"
    num_users: int = 0


_shared: dict[Hashable, _Shared] = {}
"""By event loop and what was asked for; as long as somebody uses it."""


class ClientShare:
    """One user's share of a client.

    Args:
        what: All that tells one client from another: the vendor, the address, the key.
        make: Returns a client; called in a thread. It has a coroutine `close`.
    """

    def __init__(self, what: Hashable, make: Callable[[], Any]) -> None:
        self._what = what
        self._make = make
        self._key: Hashable = None
        self._used: _Shared | None = None

    @property
    def client(self) -> Any:
        """The client; None before `open` and after `close`."""
        if self._used is None or not self._used.making.done():
            return None
        return self._used.making.result()

    async def open(self) -> None:
        """Get the client, which is made if nobody else uses it; what `make` raises comes out."""
        loop = asyncio.get_running_loop()
        self._key = (loop, self._what)
        used = _shared.get(self._key)
        if used is None:
            # Several may wait for it: it is made to its end, though the first has gone.
            used = _shared[self._key] = _Shared(loop.run_in_executor(None, self._make))
        used.num_users += 1
        self._used = used
        try:
            await asyncio.shield(used.making)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give it back; the last one closes it."""
        used, self._used = self._used, None
        if used is None:
            return
        used.num_users -= 1
        if used.num_users:
            return
        if _shared.get(self._key) is used:
            del _shared[self._key]
        if not used.making.done():
            used.making.add_done_callback(_let_go)  # Nothing has been opened with it yet.
        elif used.making.exception() is None:
            await used.making.result().close()


def _let_go(making: "asyncio.Future[Any]") -> None:
    if not making.cancelled():
        making.exception()  # Asked for, so that asyncio does not complain that nobody has.
