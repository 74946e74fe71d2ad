"""What the port answers to plain HTTP."""

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from voicewire.clock import Clock, MonotonicClock
from voicewire.transports.connect import ConnectEndpoint
from voicewire.transports.pages import page_routes
from voicewire.transports.params import WebsocketServerParams
from voicewire.transports.providers import StartEndpoint
from voicewire.transports.proxies import Network, address_behind


def make_http_app(
    params: WebsocketServerParams | None = None,
    *,
    why_busy: Callable[[], str | None] = lambda: None,
    is_on_loopback: Callable[[], bool] = lambda: False,
    clock: Clock | None = None,
) -> ASGIApp:
    """Return the application.

    | Path | Answer |
    |---|---|
    | `/`, `/assets/...` | the talk page |
    | `/connect` | where and with which token a client connects |
    | `/twilio/start` and so on | what tells a provider to connect a call to `/twilio` |
    | `/healthz` | 200: the process is up |
    | `/readyz` | 200 if a caller would be let in, else 503 |

    All else is 404 in JSON.

    Args:
        params: What the server does.
        why_busy: Says why no further caller would be let in; None if one would.
        is_on_loopback: Whether only this machine reaches the server.
        clock: The time.
    """
    params = params or WebsocketServerParams()
    connect = ConnectEndpoint(params, is_on_loopback, clock=clock or MonotonicClock())

    async def readyz(_: Request) -> Response:
        why = why_busy()
        if why is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "busy", "detail": why}, status_code=503)

    routes: list[BaseRoute] = [
        Route("/healthz", _healthz),
        Route("/readyz", readyz),
        Route("/connect", connect.answer, methods=["POST", "OPTIONS"]),
    ]
    for path, serializer in params.dialects.items():
        endpoint = StartEndpoint(params, path, serializer)
        routes.append(Route(f"{path}/start", endpoint.answer, methods=["GET", "POST"]))
    if params.talk_page:
        routes += page_routes()
    app = Starlette(routes=routes, exception_handlers={HTTPException: _explain})
    return _behind_proxies(app, params.trusted_proxies) if params.trusted_proxies else app


def _behind_proxies(app: ASGIApp, trusted: Sequence[Network]) -> ASGIApp:
    """Let an application see who calls through a proxy."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["client"] is not None:
            forwarded_for = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
            scope = {**scope, "client": address_behind(scope["client"], forwarded_for, trusted)}
        await app(scope, receive, send)

    return call


async def _healthz(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def _explain(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)  # noqa: S101 - registered for nothing else
    if "sec-websocket-key" in request.headers:
        return JSONResponse(
            {
                "detail": "this looks like a WebSocket handshake without its Upgrade and "
                "Connection headers; a proxy on the way must pass them on"
            },
            status_code=426,
            headers={"Upgrade": "websocket"},
        )
    detail = exc.detail
    if exc.status_code == 404:
        detail = "nothing here; this is a voicewire server, connect with WebSocket"
    return JSONResponse({"detail": detail}, status_code=exc.status_code, headers=exc.headers)
