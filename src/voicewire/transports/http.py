"""What the port answers to plain HTTP."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp


def make_http_app() -> ASGIApp:
    """Return the application: `/healthz` says that the process is up; all else is 404 in JSON."""
    return Starlette(
        routes=[Route("/healthz", _healthz)],
        exception_handlers={HTTPException: _explain},
    )


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
