"""Vendors' WebSocket services on loopback, by their published protocols, with their bad days."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

KEY = "sk-very-secret"


class FakeVendor:
    """A server that asks for a key, writes down what it gets, and misbehaves when it is told to.

    Attributes:
        asked: Each message of text, in order, of all connections.
        requests: The path and query of each handshake.
        num_open: Connections that are open.
        status: What handshakes are answered with instead of being accepted; None accepts.
        drops_after: Messages that are sent before the connection is dropped; None never drops.
        garbage: Sent before the first answer on each connection.
    """

    key_header = ""
    key_value = KEY

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.num_open = 0
        self.status: HTTPStatus | None = None
        self.drops_after: int | None = None
        self.garbage: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.news = asyncio.Event()
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with serve(self._handle, "127.0.0.1", 0, process_request=self._check) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield

    async def happened(self, kind: str, value: object = True) -> dict[str, Any]:
        """Return the first message with this in it."""
        async with asyncio.timeout(5):
            while True:
                for message in self.asked:
                    if message.get(kind) == value:
                        return message
                self.news.clear()
                await self.news.wait()

    def query(self) -> dict[str, list[str]]:
        """Return the query of the last handshake."""
        return parse_qs(urlsplit(self.requests[-1]).query)

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request.path)
        if self.status is not None:
            return connection.respond(self.status, f"no, {request.headers.get(self.key_header)}\n")
        if request.headers.get(self.key_header) != self.key_value:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "wrong key\n")
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        self.num_open += 1
        waiting: asyncio.Queue[str | bytes] = asyncio.Queue()
        answering = asyncio.ensure_future(self._answer_all(connection, waiting))
        try:
            for nonsense in self.garbage:
                await connection.send(nonsense)
            async for message in connection:
                if isinstance(message, str):
                    self.asked.append(json.loads(message))
                    self.news.set()
                waiting.put_nowait(message)
        except ConnectionClosed:
            pass
        finally:
            answering.cancel()
            self.num_open -= 1
            self.news.set()

    async def _answer_all(
        self, connection: ServerConnection, waiting: "asyncio.Queue[str | bytes]"
    ) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self.take(connection, await waiting.get())

    async def take(self, connection: ServerConnection, message: str | bytes) -> None:
        """Answer a message."""
        raise NotImplementedError

    async def answer(self, connection: ServerConnection, content: dict[str, Any]) -> None:
        await self.may_answer.wait()
        if self.drops_after is not None:
            if self.drops_after == 0:
                self.drops_after = None
                connection.transport.abort()
                return
            self.drops_after -= 1
        await connection.send(json.dumps(content))


class FakeDeepgram(FakeVendor):
    """Hears one word for each 0.1 s of audio but silence, and settles when it is asked to."""

    key_header = "Authorization"
    key_value = f"Token {KEY}"

    def __init__(self) -> None:
        super().__init__()
        self.audio_bytes = 0
        self._unsettled: dict[ServerConnection, list[str]] = {}

    async def take(self, connection: ServerConnection, message: str | bytes) -> None:
        words = self._unsettled.setdefault(connection, [])
        if isinstance(message, bytes):
            if not any(message):
                return
            before = self.audio_bytes // 3200
            self.audio_bytes += len(message)
            self.news.set()
            if self.audio_bytes // 3200 > before:
                words.append(f"w{self.audio_bytes // 3200}")
                await self.answer(connection, self._results(words, is_final=False))
            return
        match json.loads(message)["type"]:
            case "Finalize":
                await self.answer(connection, self._results(words, is_final=True))
                words.clear()
            case "CloseStream":
                await connection.send(json.dumps({"type": "Metadata", "duration": 1.0}))
                await connection.close()

    @staticmethod
    def _results(words: list[str], *, is_final: bool) -> dict[str, Any]:
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "is_final": is_final,
            "speech_final": is_final,
            "from_finalize": is_final,
            "channel": {"alternatives": [{"transcript": " ".join(words), "confidence": 0.9}]},
        }


class FakeVoice(FakeVendor):
    """Speaks each word of a text as 0.1 s of audio, with its time."""

    sample_rate = 24000

    def word_audio(self) -> str:
        return base64.b64encode(bytes(self.sample_rate // 10 * 2)).decode()


class FakeCartesia(FakeVoice):
    key_header = "X-API-Key"

    async def take(self, connection: ServerConnection, message: str | bytes) -> None:
        request = json.loads(message)
        if request.get("cancel"):
            return
        context_id = request["context_id"]
        if not request["voice"]["id"]:
            await self.answer(
                connection,
                {
                    "type": "error",
                    "done": True,
                    "title": "Invalid voice",
                    "message": f"no such voice, for {KEY}",
                    "context_id": context_id,
                },
            )
            return
        for number, word in enumerate(request["transcript"].split()):
            start = number / 10
            times = {"words": [word], "start": [start], "end": [start + 0.1]}
            about: dict[str, Any] = {"context_id": context_id, "done": False}
            await self.answer(connection, {**about, "type": "timestamps", "word_timestamps": times})
            await self.answer(connection, {**about, "type": "chunk", "data": self.word_audio()})
        await self.answer(connection, {"type": "done", "done": True, "context_id": context_id})


class FakeElevenLabs(FakeVoice):
    key_header = "xi-api-key"

    def __init__(self) -> None:
        super().__init__()
        self._spoken: set[str] = set()

    async def take(self, connection: ServerConnection, message: str | bytes) -> None:
        request = json.loads(message)
        context_id = request["context_id"]
        if request.get("close_context"):
            if context_id in self._spoken:
                await self.answer(connection, {"isFinal": True, "contextId": context_id})
            return
        text = request["text"]
        if not text.strip():
            return
        self._spoken.add(context_id)
        at_ms = 0.0
        for word in text.split():
            characters = [*word, " "]
            duration_ms = 100 / len(characters)
            starts = [at_ms + index * duration_ms for index in range(len(characters))]
            at_ms += 100
            await self.answer(
                connection,
                {
                    "audio": self.word_audio(),
                    "contextId": context_id,
                    "alignment": {
                        "chars": characters,
                        "charStartTimesMs": starts,
                        "charDurationsMs": [duration_ms] * len(characters),
                    },
                },
            )
