"""A provider's HTTP API."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


class Api:
    """Answers with these statuses, one after the other, and keeps what it was asked."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["method"], scope["path"], headers, body))
        status = self.statuses.pop(0)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[str]:
    """Serve the API on a free port; yield its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    provider = uvicorn.Server(uvicorn.Config(api, log_level="error", lifespan="off"))
    running = asyncio.create_task(provider.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        provider.should_exit = True
        await running
