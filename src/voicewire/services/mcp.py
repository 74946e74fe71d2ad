"""Tools of MCP servers, as functions that a language model may call."""

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self

from voicewire.context import FunctionSchema
from voicewire.context.tools import write_out_references
from voicewire.errors import ConfigurationError, ServiceError
from voicewire.services.function_calls import FunctionCallParams
from voicewire.services.mcp_session import MCPHTTP, MCPSession, MCPStdio
from voicewire.services.together import all_at_once

__all__ = ["MCPHTTP", "MCPStdio", "MCPTools"]

logger = logging.getLogger(__name__)

CALL_SECS = 20.0
OPEN_SECS = 10.0

MAX_NAME_CHARS = 64
"""Of a function's name, at every vendor."""

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


class MCPTools:
    """The tools of one or several MCP servers (modelcontextprotocol.io).

    ::

        servers = {"files": MCPStdio(command="uvx", args=["mcp-files"]), "shop": "https://…/mcp"}
        async with MCPTools(servers) as tools:
            context = LLMContext(tools=[*tools.functions, my_function])

    A server that dies is connected to again, and meanwhile its calls wait. Where two tools have one
    name, both are called by their server's name and theirs: `files_search`, `shop_search`.

    Many callers can share one object: open it before the server of callers, close it behind.

    Args:
        servers: By a name of your own: a program, or a URL.
        call_secs: Longest run of a tool.
        open_secs: Longest wait for each server's connection, and for its list of tools.

    Attributes:
        functions: For an `LLMContext`; complete once it is open.
    """

    def __init__(
        self,
        servers: Mapping[str, MCPStdio | MCPHTTP | str],
        *,
        call_secs: float = CALL_SECS,
        open_secs: float = OPEN_SECS,
    ) -> None:
        self.functions: list[FunctionSchema] = []
        self._call_secs = call_secs
        self._sessions = [
            MCPSession(
                name,
                MCPHTTP(url=server) if isinstance(server, str) else server,
                open_secs=open_secs,
            )
            for name, server in servers.items()
        ]

    async def open(self) -> None:
        """Connect to all servers at once, and learn their tools.

        Raises:
            MissingExtraError: The `mcp` package is not installed.
            ServiceError: A server cannot be reached, or not in time; none stays connected.
        """
        try:
            await all_at_once(session.open() for session in self._sessions)
            lists = await all_at_once(session.list_tools() for session in self._sessions)
        except BaseException:
            await self.close()
            raise
        found = list(zip(self._sessions, lists, strict=True))
        num_called = Counter(_fitting(tool.name) for _, tools in found for tool in tools)
        self.functions = []
        for session, tools in found:
            for tool in tools:
                name = _fitting(tool.name)
                if num_called[name] > 1:
                    name = _fitting(f"{session.name}_{tool.name}")
                function = self._describe(session, tool, name)
                if function is not None:
                    self.functions.append(function)

    async def close(self) -> None:
        """Disconnect from all servers; programs are ended."""
        await all_at_once(session.close() for session in self._sessions)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _describe(self, session: MCPSession, tool: Any, name: str) -> FunctionSchema | None:
        schema = tool.input_schema
        try:
            properties = write_out_references(
                schema.get("properties", {}), schema.get("$defs", schema.get("definitions", {}))
            )
        except (ConfigurationError, KeyError) as exc:
            logger.warning("MCP server %s: %s is left out: %s", session.name, tool.name, exc)
            return None
        return FunctionSchema(
            name,
            tool.description or "",
            properties,
            tuple(schema.get("required", ())),
            handler=self._handler_of(session, tool),
            timeout_secs=self._call_secs + 1.0,  # Ours comes first, and says more.
        )

    def _handler_of(
        self, session: MCPSession, tool: Any
    ) -> Callable[[FunctionCallParams], Coroutine[Any, Any, str]]:
        hints = tool.annotations
        may_repeat = hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)

        async def call(params: FunctionCallParams) -> str:
            try:
                async with asyncio.timeout(self._call_secs):
                    result = await session.call(tool.name, params.arguments, may_repeat=may_repeat)
            except TimeoutError:
                raise ServiceError(
                    f"MCP server {session.name}: no result within {self._call_secs:g} s"
                ) from None
            text = _to_text(result)
            if result.is_error:
                raise ServiceError(text or f"{tool.name} failed")
            return text

        return call


def _fitting(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)[:MAX_NAME_CHARS]


def _to_text(result: Any) -> str:
    parts = [_part_to_text(part) for part in result.content]
    text = "\n".join(part for part in parts if part)
    if not text and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return text


def _part_to_text(part: Any) -> str:
    if part.type == "text":
        return str(part.text)
    if part.type == "resource":
        return str(getattr(part.resource, "text", f"({part.resource.uri})"))
    if part.type == "resource_link":
        return f"({part.uri})"
    return f"({part.type})"  # A picture or a sound: models that listen cannot be shown it.
