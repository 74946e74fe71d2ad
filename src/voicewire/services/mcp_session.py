"""One connection to an MCP server, kept open in a task of its own."""

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import Field

from voicewire.errors import MissingExtraError, ServiceError
from voicewire.params import Params
from voicewire.services.socket import Backoff

logger = logging.getLogger(__name__)

CLOSE_SECS = 10.0
"""How long a server may take to end; its program is killed sooner, after four seconds."""

_CONNECTION_CLOSED = -32000
_INVALID_REQUEST = -32600
"""What an HTTP server that has been started anew says of a session that it does not know."""


class MCPStdio(Params):
    """A server that is a program on this machine, spoken to through its standard streams.

    Attributes:
        command: The program.
        args: Its arguments.
        env: Its environment, beside `PATH`, `HOME` and the like; it gets nothing else of ours.
        cwd: Where it runs; None is where we do.
    """

    command: str
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    cwd: Path | None = None


class MCPHTTP(Params):
    """A server that speaks streamable HTTP.

    Attributes:
        url: Such as `https://example.org/mcp`.
        headers: Of each request, such as `{"Authorization": "Bearer …"}`.
    """

    url: str
    headers: dict[str, str] = Field(default_factory=dict, repr=False)


class MCPSession:
    """A connection to one server; it is opened anew when the server has died.

    The `mcp` package opens and closes a connection in one task, which is this object's own: calls
    come from any other, and may be cancelled there.

    Args:
        name: The server's, in errors and logs.
        server: Where it is.
        open_secs: Longest wait for a connection.
    """

    def __init__(self, name: str, server: MCPStdio | MCPHTTP, *, open_secs: float) -> None:
        self.name = name
        self._server = server
        self._open_secs = open_secs
        self._client: Any = None
        self._is_ready = asyncio.Event()
        self._is_lost = asyncio.Event()
        self._is_closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            MissingExtraError: The `mcp` package is not installed.
            ServiceError: The server cannot be reached, or not in time.
        """
        # Importing mcp takes a second: not on the event loop.
        await asyncio.to_thread(_import_mcp)
        first = asyncio.get_running_loop().create_future()
        self._is_closing.clear()
        self._task = asyncio.create_task(self._keep_open(first), name=f"MCP server {self.name}")
        try:
            await first
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect; a program is ended."""
        task, self._task = self._task, None
        if task is None:
            return
        self._is_closing.set()
        self._is_lost.set()
        try:
            await asyncio.wait((task,), timeout=CLOSE_SECS)
        finally:
            task.cancel()  # Nothing, where it has ended by itself.

    async def list_tools(self) -> list[Any]:
        """Return the server's tools, as the `mcp` package describes them.

        Raises:
            ServiceError: It does not tell them in time.
        """
        tools: list[Any] = []
        cursor: str | None = None
        try:
            async with asyncio.timeout(self._open_secs):
                while True:
                    page = await self._client.list_tools(cursor=cursor)
                    tools += page.tools
                    cursor = page.next_cursor
                    if not cursor:
                        return tools
        except Exception as exc:
            raise ServiceError(f"MCP server {self.name}: no list of tools: {exc}") from exc

    async def call(self, tool: str, arguments: Mapping[str, Any], *, may_repeat: bool) -> Any:
        """Return the result of a tool.

        Args:
            tool: Its name at the server.
            arguments: By name.
            may_repeat: Whether it may be called again where nobody knows whether it has run.

        Raises:
            ServiceError: The server refuses the call, or has died over it.
        """
        mcp = importlib.import_module("mcp")
        for has_been_tried in (False, True):
            await self._is_ready.wait()
            client = self._client
            try:
                return await client.call_tool(tool, dict(arguments))
            except mcp.MCPError as exc:
                is_lost = exc.code == _CONNECTION_CLOSED
                is_unknown = exc.code == _INVALID_REQUEST and "terminated" in exc.message
                if is_lost or is_unknown:
                    self._lose(client)
                    if not has_been_tried and (may_repeat or is_unknown):
                        continue
                if is_lost:
                    raise ServiceError(
                        f"MCP server {self.name} was lost; whether {tool} has run is not known"
                    ) from exc
                raise ServiceError(f"MCP server {self.name}: {exc.message}") from exc
        raise AssertionError  # The second attempt returns or raises.

    def _lose(self, client: Any) -> None:
        if self._client is client:
            self._is_ready.clear()
            self._is_lost.set()

    async def _keep_open(self, first: "asyncio.Future[None]") -> None:
        """Connect, and again whenever the connection is lost, until it is to be closed."""
        backoff = Backoff()
        while not self._is_closing.is_set():
            self._is_lost.clear()
            try:
                async with asyncio.timeout(self._open_secs) as deadline:
                    async with self._connect() as client:
                        deadline.reschedule(None)
                        self._client = client
                        self._is_ready.set()
                        if not first.done():
                            first.set_result(None)
                        backoff.reset()
                        await self._is_lost.wait()
                        self._is_ready.clear()
            except Exception as exc:  # noqa: BLE001 - whatever it is, another attempt follows
                fault = _in_words(exc)
                if not first.done():
                    first.set_exception(ServiceError(f"MCP server {self.name}: {fault}"))
                    return
                logger.warning("MCP server %s: %s", self.name, fault)
            finally:
                self._is_ready.clear()
            if not self._is_closing.is_set():
                logger.warning("MCP server %s is lost; connecting again", self.name)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._is_closing.wait(), backoff.next_secs())

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Any]:
        mcp = importlib.import_module("mcp")
        server = self._server
        if isinstance(server, MCPStdio):
            parameters = mcp.StdioServerParameters(
                command=server.command, args=server.args, env=server.env, cwd=server.cwd
            )
            transport = _watched(mcp.stdio_client(parameters), self._is_lost.set)
            async with mcp.Client(transport, cache=None) as client:
                yield client
            return
        http = importlib.import_module("mcp.client.streamable_http")
        async with http.create_mcp_http_client(headers=server.headers) as http_client:
            transport = http.streamable_http_client(server.url, http_client=http_client)
            async with mcp.Client(_watched(transport, self._is_lost.set), cache=None) as client:
                yield client


class _WatchedStream:
    """A stream of messages that says when it has ended: so a program's death is noticed at once."""

    def __init__(self, stream: Any, on_end: Callable[[], None]) -> None:
        self._stream = stream
        self._on_end = on_end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> "_WatchedStream":
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> Any:
        return await self._stream.__aexit__(*raised)

    def __aiter__(self) -> "_WatchedStream":
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self._on_end()
            raise


@asynccontextmanager
async def _watched(
    transport: AbstractAsyncContextManager[Any], on_end: Callable[[], None]
) -> AsyncIterator[Any]:
    async with transport as (read, write):
        yield _WatchedStream(read, on_end), write


def _import_mcp() -> None:
    try:
        importlib.import_module("mcp")
    except ImportError as exc:
        raise MissingExtraError("mcp", "mcp", needed_for="MCPTools") from exc


def _in_words(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    return f"{type(exc).__name__}: {exc}"
