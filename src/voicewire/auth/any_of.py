"""Several ways in."""

from voicewire.errors import ConfigurationError
from voicewire.transports.gate import is_coroutine_function
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.identity import Authenticate, Identity


class AnyOf:
    """Lets in whom one of several hooks knows: `AnyOf(StaticTokens({...}), OneTimeTokens(secret))`.

    They are asked in turn. One that does not know the caller (401) leaves them to the next; any
    other answer counts.

    Args:
        hooks: At least one.

    Raises:
        ConfigurationError: There is none, or one is no `async def` function.
    """

    def __init__(self, *hooks: Authenticate) -> None:
        if not hooks:
            raise ConfigurationError("AnyOf() lets in nobody; expected at least one hook")
        for hook in hooks:
            if not is_coroutine_function(hook):
                kind = type(hook).__name__
                raise ConfigurationError(f"AnyOf got {kind}; expected `async def` functions")
        self._hooks = hooks

    async def __call__(self, request: HandshakeRequest) -> Identity | Rejection:
        """Return who it is, or what the last hook has to say."""
        for hook in self._hooks[:-1]:
            answer = await hook(request)
            if not isinstance(answer, Rejection) or answer.status != 401:
                return answer
        return await self._hooks[-1](request)
