"""Who may come in: asked of a provider's signature, of the places, and of the application."""

import asyncio
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from voicewire.clock import Clock
from voicewire.pipeline.owner import wait_at_most
from voicewire.transports.handshake import HandshakeRequest, Rejection, try_later
from voicewire.transports.identity import Authenticate, Identity
from voicewire.transports.providers import is_signed_by_provider, refuse_stranger

if TYPE_CHECKING:
    from voicewire.transports.params import WebsocketServerParams

logger = logging.getLogger(__name__)

Admission = Identity | Rejection | None
"""Who comes in; None is somebody of whom nothing is asked."""

WhyFull = Callable[[HandshakeRequest], Rejection | None]


class Gate:
    """Decides about each caller, before the WebSocket is opened.

    A connection that its telephone provider has signed comes in by that: a provider has no token.
    All others are for the application's hook, where there is one.

    Args:
        params: The wires, the hook, and how long it may take.
        why_full: Says why there is no room for a caller; None where there is. It is asked before
            the hook, and after it again: others have come in meanwhile.
        clock: The time.
    """

    def __init__(self, params: "WebsocketServerParams", why_full: WhyFull, *, clock: Clock) -> None:
        self._params = params
        self._why_full = why_full
        self._clock = clock

    def admit(self, request: HandshakeRequest) -> Admission | Awaitable[Admission]:
        """Return who comes in, or why not."""
        rejection = refuse_stranger(self._params, request) or self._why_full(request)
        if rejection is not None:
            return rejection
        if self._params.authenticate is None or is_signed_by_provider(self._params, request):
            return None
        return self._ask_and_look_again(request)

    async def _ask_and_look_again(self, request: HandshakeRequest) -> Admission:
        answer = await identify(self._params, request, clock=self._clock)
        return answer if isinstance(answer, Rejection) else self._why_full(request) or answer


async def identify(
    params: "WebsocketServerParams", request: HandshakeRequest, *, clock: Clock
) -> Admission:
    """Ask the application who this is; None where there is no hook to ask.

    A hook that takes longer than `authenticate_timeout_secs` is cancelled, and left to itself if
    it swallows that; whoever waits for this has an answer by then.
    """
    if params.authenticate is None:
        return None
    asking = asyncio.get_running_loop().create_task(_ask(params.authenticate, request))
    timeout_secs = params.authenticate_timeout_secs
    if not await wait_at_most(timeout_secs, (asking,), clock=clock):
        logger.error("authentication took longer than %g s", timeout_secs)
        why = "the server could not find out in time who you are"
        return try_later(why)
    if asking.cancelled():
        logger.error("authentication was cancelled by the hook itself")
        return _undecided()
    return asking.result()


def is_coroutine_function(hook: object) -> bool:
    """Return whether it is an `async def` function, or an object that is called like one."""
    return inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(
        getattr(hook, "__call__", None)  # noqa: B004 - an object whose __call__ is a coroutine
    )


def where_it_failed(exc: BaseException) -> str:
    """Return an exception's type and where it came from, innermost first.

    Without its words: those of an application may hold the token that it did not like.
    """
    frames = reversed(traceback.extract_tb(exc.__traceback__))
    places = " < ".join(f"{each.filename}:{each.lineno} in {each.name}" for each in frames)
    return f"{type(exc).__name__} at {places}"


async def _ask(hook: Authenticate, request: HandshakeRequest) -> Identity | Rejection:
    try:
        answer: object = await hook(request)
    except Exception as exc:  # noqa: BLE001 - the application's; it ends this handshake alone
        logger.error("authentication failed: %s", where_it_failed(exc))
        return _undecided()
    if isinstance(answer, Rejection):
        return answer.with_challenge()
    if isinstance(answer, Identity):
        return answer
    logger.error(
        "authentication returned %s; expected Identity(...) or Rejection(...)",
        type(answer).__name__,
    )
    return _undecided()


def _undecided() -> Rejection:
    return Rejection(500, "the server could not find out who you are")
