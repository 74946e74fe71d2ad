"""OpenAI's HTTP, as far as the services use it (platform.openai.com, "API reference")."""

import email
import email.policy
import json
from dataclasses import dataclass
from typing import Any

from tests.services.fakes.http_server import Exchange, FakeHTTPServer, Request

KEY = "sk-loopback-0123456789"


@dataclass(frozen=True)
class Upload:
    """What a transcription is asked for with."""

    fields: dict[str, str]
    file_name: str
    recording: bytes


class FakeOpenAI(FakeHTTPServer):
    """An OpenAI-compatible server.

    Attributes:
        deltas: What the next chat completions stream, one `delta` after the other.
        transcripts: What the next recordings turn out to say; the last one stays.
        audio: The chunks in which speech is sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.deltas: list[list[dict[str, Any]]] = [words("Hel", "lo.")]
        self.transcripts = ["hello there"]
        self.audio = [b"\x01\x02" * 1200] * 3

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"

    def fault_of(self, request: Request) -> str | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        # A server that repeats the key must not bring it into the log.
        return None if given == KEY else f"Incorrect API key provided: {given}"

    def error_body(self, message: str) -> Any:
        return {"error": {"message": message, "type": "server_error", "code": None}}

    async def answer(self, request: Request, exchange: Exchange) -> None:
        if request.path == "/v1/chat/completions":
            await self._complete(exchange)
        elif request.path == "/v1/audio/transcriptions":
            text = self.transcripts.pop(0) if len(self.transcripts) > 1 else self.transcripts[0]
            await exchange.send_whole(json.dumps({"text": text}).encode())
        elif request.path == "/v1/audio/speech":
            await exchange.begin("audio/pcm")
            for chunk in self.audio:
                await exchange.send(chunk)
            exchange.end()
        else:
            await exchange.send_whole(b"{}", status=404)

    async def _complete(self, exchange: Exchange) -> None:
        deltas = self.deltas.pop(0) if len(self.deltas) > 1 else self.deltas[0]
        await exchange.begin("text/event-stream")
        for number, delta in enumerate(deltas):
            if exchange.trouble.kind == "error" and number == exchange.trouble.after:
                await exchange.send(_event(self.error_body(exchange.trouble.message)))
                exchange.end()
                return
            await exchange.send(_event(_chunk(delta)))
        await exchange.send(_event(_chunk({}, finish_reason="stop")))
        await exchange.send(_event({**_chunk({}), "choices": []}))  # As with `include_usage`.
        await exchange.send(b"data: [DONE]\n\n")
        exchange.end()


def words(*pieces: str) -> list[dict[str, Any]]:
    """Return the deltas of an answer in words."""
    return [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]


def call_part(index: int, arguments: str = "", **begin: str) -> dict[str, Any]:
    """Return a delta of a function call; `id` and `name` begin one."""
    part: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
    if "id" in begin:
        part |= {"id": begin["id"], "type": "function"}
    if "name" in begin:
        part["function"]["name"] = begin["name"]
    return {"tool_calls": [part]}


def read_upload(request: Request) -> Upload:
    """Return what a request for a transcription holds."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    fields: dict[str, str] = {}
    file_name, recording = "", b""
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename():
            file_name, recording = str(part.get_filename()), content
        else:
            name = part.get_param("name", header="content-disposition")
            fields[str(name)] = content.decode()
    return Upload(fields, file_name, recording)


def _chunk(delta: dict[str, Any], *, finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "tiny",
        "choices": [choice],
    }


def _event(data: Any) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()
