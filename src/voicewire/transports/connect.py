"""`POST /connect`: where a client connects, as `startBotAndConnect` of Pipecat's clients asks."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from voicewire.clock import Clock
from voicewire.errors import ConnectRefusedError
from voicewire.transports.gate import identify, where_it_failed
from voicewire.transports.handshake import HandshakeRequest, Headers, Rejection
from voicewire.transports.identity import Identity
from voicewire.transports.origins import origin_refusal

if TYPE_CHECKING:
    from voicewire.transports.params import WebsocketServerParams

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """What a client asks before it connects.

    Attributes:
        body: What its application has sent: `requestData` of Pipecat's clients; empty if nothing.
        headers: The request's header fields; any case of a name finds them.
        remote_address: The other end of the TCP connection; behind a proxy, the proxy.
        identity: Who asks, as `authenticate` has found; None where that is not asked.
    """

    body: dict[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    remote_address: str
    identity: Identity | None = None


ConnectHook = Callable[[ConnectRequest], Awaitable[str | None]]
"""Returns the token with which the client comes: `client.query["token"]` in the bot. None is no
token. Raises `ConnectRefusedError` to keep it out."""


class ConnectEndpoint:
    """Answers `{"wsUrl": "ws://..."}`, and `"token"` where the application has one for the client.

    Args:
        params: The hook, the pages that may ask, and where the server is to be found.
        is_on_loopback: Whether only this machine reaches the server.
        clock: For the deadline of `authenticate`.
    """

    def __init__(
        self,
        params: "WebsocketServerParams",
        is_on_loopback: Callable[[], bool],
        *,
        clock: Clock,
    ) -> None:
        self._params = params
        self._clock = clock
        self._is_on_loopback = is_on_loopback

    async def answer(self, request: Request) -> Response:
        """Answer a request, also a browser's question whether a page may ask."""
        origin = request.headers.get("origin")
        refusal = origin_refusal(
            origin,
            request.headers.get("host"),
            self._params.allowed_origins,
            is_on_loopback=self._is_on_loopback(),
        )
        if refusal is not None:
            return _refused(403, refusal)
        response = Response(status_code=204) if _is_preflight(request) else await self._do(request)
        if origin is not None:
            response.headers.update(
                {
                    "Access-Control-Allow-Origin": origin,
                    "Access-Control-Allow-Methods": "POST",
                    "Access-Control-Allow-Headers": "Authorization, Content-Type",
                    "Vary": "Origin",
                }
            )
        return response

    async def _do(self, request: Request) -> Response:
        try:
            url = self._params.public_url or _url_as_called(request)
            identity = await identify(self._params, _as_handshake(request), clock=self._clock)
            if isinstance(identity, Rejection):
                return _refused(identity.status, identity.reason, identity.headers)
            token = await self._ask_application(request, identity)
        except ConnectRefusedError as exc:
            return _refused(exc.status, exc.info)
        except ClientDisconnect:
            return Response(status_code=400)  # Nobody gets it.
        except Exception as exc:  # noqa: BLE001 - the application's; it ends this request alone
            logger.error("the connect hook failed: %s", where_it_failed(exc))
            return _refused(500, "the server could not decide about this client")
        answer = {"wsUrl": url}
        return JSONResponse(answer if token is None else {**answer, "token": token})

    async def _ask_application(self, request: Request, identity: Identity | None) -> str | None:
        body = await _read_body(request)
        hook = self._params.connect_hook
        if hook is None:
            return None
        address = request.client.host if request.client is not None else ""
        token = await hook(ConnectRequest(body, request.headers, address, identity))
        if token is not None and not isinstance(token, str):
            raise TypeError(f"the connect hook returned {type(token).__name__}; expected str")
        return token


def _is_preflight(request: Request) -> bool:
    return request.method == "OPTIONS"


async def _read_body(request: Request) -> dict[str, Any]:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MAX_BODY_BYTES:
            raise ConnectRefusedError(f"the body is longer than {MAX_BODY_BYTES} bytes", status=413)
    if not content.strip():
        return {}
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise ConnectRefusedError("the body is not JSON", status=400) from exc
    if not isinstance(body, dict):
        raise ConnectRefusedError("the body is not a JSON object", status=400)
    return body


def _url_as_called(request: Request) -> str:
    """Return the server's address as the client knows it: it has just called it."""
    host = request.headers.get("host")
    if not host:  # HTTP/1.0 has none.
        raise ConnectRefusedError("no Host header, so no telling how you have called", status=400)
    is_tls = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
    return f"{'wss' if is_tls else 'ws'}://{host}/ws"


def _as_handshake(request: Request) -> HandshakeRequest:
    """Return the request as `authenticate` gets it."""
    fields = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
    ]
    query = f"?{request.url.query}" if request.url.query else ""
    return HandshakeRequest(
        (request.client.host, request.client.port) if request.client is not None else ("", 0),
        request.url.path,
        Headers(fields),
        dict(request.query_params),
        request.url.path + query,
        method=request.method,
    )


def _refused(status: int, why: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"info": why}, status_code=status, headers=headers)
