"""An MCP server, made with the official package.

python -m tests.services.fakes.mcp_program stdio|http [port]
"""

import asyncio
import os
import sys

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel

server = MCPServer("loopback", log_level="CRITICAL")


class Size(BaseModel):
    width: int
    height: int


@server.tool()
async def area(size: Size) -> str:
    """Tell an area."""
    return str(size.width * size.height)


@server.tool(name="shop.find")
async def find(word: str) -> list[str]:
    """Find things."""
    return [f"{word} 1", f"{word} 2"]


@server.tool()
async def fail() -> str:
    """Fail."""
    raise ToolError("the shop is closed")


@server.tool()
async def sleep(secs: float) -> str:
    """Sleep."""
    await asyncio.sleep(secs)
    return "slept"


@server.tool()
async def die() -> str:
    """End the program in mid-call."""
    os._exit(1)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def pid() -> str:
    """Tell the program's number."""
    return str(os.getpid())


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def die_once(marker: str) -> str:
    """End the program, the first time that it is called with this file's name."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "alive"
    os._exit(1)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
