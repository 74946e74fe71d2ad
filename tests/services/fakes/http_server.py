"""A small HTTP server on the loopback that goes wrong in the ways that vendors' servers do."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with one request.

    Attributes:
        status: Refuse it with this status.
        message: What the refusal says.
        headers: Further headers of the refusal.
        kind: What happens to a stream after `after` of its pieces: `hang` waits for ever, `drop`
            cuts the connection, `half` sends half a piece and ends as if nothing were wrong,
            `error` sends the vendor's own event of an error.
        after: Pieces that are sent before.
    """

    status: int | None = None
    message: str = "not today"
    headers: Mapping[str, str] | None = None
    kind: Literal["hang", "drop", "half", "error"] | None = None
    after: int = 1


FOR_GOOD = {"x-should-retry": "false"}
"""Headers of a refusal that the vendors' packages do not answer with another attempt."""


@dataclass(frozen=True)
class Request:
    """What a client has sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Exchange:
    """The answer to one request, as it is sent."""

    def __init__(self, writer: asyncio.StreamWriter, trouble: Trouble) -> None:
        self.trouble = trouble
        self._writer = writer
        self._num_pieces = 0

    async def send_whole(
        self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send an answer of a known length."""
        await self._goes_wrong(body)
        if self.trouble.kind == "half":
            body = body[: len(body) // 2]
        lines = [f"HTTP/1.1 {status} -", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines.append("content-type: application/json")
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self._writer.drain()

    async def begin(self, content_type: str) -> None:
        """Begin an answer that streams."""
        head = (
            f"HTTP/1.1 200 -\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        self._writer.write(head.encode())
        await self._writer.drain()

    async def send(self, piece: bytes) -> None:
        """Send one piece of the stream.

        Raises:
            ConnectionAbortedError: The stream has ended, as its trouble wants.
        """
        if self._num_pieces == self.trouble.after:
            await self._goes_wrong(piece)
        self._num_pieces += 1
        self._write_chunk(piece)
        await self._writer.drain()

    def end(self) -> None:
        """End the stream."""
        self._writer.write(b"0\r\n\r\n")

    async def _goes_wrong(self, piece: bytes) -> None:
        if self.trouble.kind == "hang":
            await asyncio.Event().wait()
        if self.trouble.kind == "drop":
            self._writer.transport.abort()
            raise ConnectionAbortedError
        if self.trouble.kind == "half" and self._num_pieces:
            self._write_chunk(piece[: len(piece) // 2])
            self.end()
            raise ConnectionAbortedError

    def _write_chunk(self, piece: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))


class FakeHTTPServer(ABC):
    """Answers requests on a port of its own; a context that it serves in.

    Attributes:
        requests: What has come, oldest first.
        troubles: What goes wrong with the next requests, one each.
        was_left: Set when a client hangs up before its answer is complete.
        num_left: How often that has happened.
        num_connections: Connections that have been opened.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.troubles: deque[Trouble] = deque()
        self.was_left = asyncio.Event()
        self.num_left = 0
        self.num_connections = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @abstractmethod
    def fault_of(self, request: Request) -> str | None:
        """Return what is wrong with a request's key, if anything is."""

    @abstractmethod
    async def answer(self, request: Request, exchange: Exchange) -> None:
        """Answer a request that nothing is wrong with."""

    @abstractmethod
    def error_body(self, message: str) -> Any:
        """Return what the vendor says when it refuses."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.num_connections += 1
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    request = await _read_request(reader)
                    if not await self._answer(request, reader, writer):
                        return
        except asyncio.CancelledError:
            pass  # Ours: the test is over. asyncio.start_server would log it as an error.
        finally:
            writer.close()

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer a request; return False if its client has hung up meanwhile."""
        self.requests.append(request)
        trouble = self.troubles.popleft() if self.troubles else Trouble()
        answering = asyncio.ensure_future(self._reply(request, Exchange(writer, trouble)))
        # Nothing may come before the answer is complete; so a byte, or the end, is a hang-up.
        hanging_up = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((answering, hanging_up), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self.num_left += 1
                self.was_left.set()
                return False
            await answering
            return True
        finally:
            answering.cancel()
            hanging_up.cancel()
            await asyncio.gather(answering, hanging_up, return_exceptions=True)

    async def _reply(self, request: Request, exchange: Exchange) -> None:
        fault = self.fault_of(request)
        if fault is not None:
            body = json.dumps(self.error_body(fault)).encode()
            await exchange.send_whole(body, status=401)
            return
        trouble = exchange.trouble
        if trouble.status is not None:
            body = json.dumps(self.error_body(trouble.message)).encode()
            await exchange.send_whole(body, status=trouble.status, headers=trouble.headers)
            return
        await self.answer(request, exchange)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)
