"""The talk page: files that the wheel brings, built from `playground/`."""

import os
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).parents[1] / "web"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing but the page's own files, and connections to its own server."""

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_FOR_EVER = "public, max-age=31536000, immutable"
"""Of files whose names change with what is in them."""


def page_routes() -> list[BaseRoute]:
    """Return the routes of the page and its files."""
    return [Route("/", _page), Mount("/assets", _Assets(directory=WEB / "assets"))]


async def _page(_: Request) -> Response:
    # Asked for anew each time: it names the files of this version.
    return FileResponse(WEB / "index.html", headers={**_HEADERS, "Cache-Control": "no-cache"})


class _Assets(StaticFiles):
    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update({**_HEADERS, "Cache-Control": _FOR_EVER})
        return response
