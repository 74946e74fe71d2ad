"""Anthropic's Messages API, as far as the service uses it (docs.anthropic.com, "Streaming")."""

import json
from collections.abc import Iterator
from typing import Any

from tests.services.fakes.http_server import Exchange, FakeHTTPServer, Request

KEY = "sk-ant-loopback-0123456789"

Piece = str | tuple[str, str, list[str]]
"""Of an answer: a piece of text, or a call's id and name, and the pieces of its arguments."""


class FakeAnthropic(FakeHTTPServer):
    """A server of the Messages API.

    Attributes:
        answers: The pieces of the next answers; the last one stays.
        stop_reason: Why each answer ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[list[Piece]] = [["Hel", "lo."]]
        self.stop_reason = "end_turn"

    @property
    def url(self) -> str:
        return self.origin

    def fault_of(self, request: Request) -> str | None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = request.headers.get("x-api-key", bearer)  # By the package's version.
        # A server that repeats the key must not bring it into the log.
        return None if given == KEY else f"invalid API key: {given}"

    def error_body(self, message: str) -> Any:
        return {"type": "error", "error": {"type": "overloaded_error", "message": message}}

    async def answer(self, request: Request, exchange: Exchange) -> None:
        if request.path != "/v1/messages":
            await exchange.send_whole(b"{}", status=404)
            return
        pieces = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await exchange.begin("text/event-stream")
        for number, event in enumerate(self._events(pieces, request.json)):
            if exchange.trouble.kind == "error" and number == exchange.trouble.after:
                await exchange.send(_encode(self.error_body(exchange.trouble.message)))
                exchange.end()
                return
            await exchange.send(_encode(event))
        exchange.end()

    def _events(self, pieces: list[Piece], asked: Any) -> Iterator[dict[str, Any]]:
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": asked["model"],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        yield {"type": "message_start", "message": message}
        index = 0
        yield _block_start(index, {"type": "text", "text": ""})
        yield {"type": "ping"}
        for piece in pieces:
            if isinstance(piece, str):
                yield _delta(index, {"type": "text_delta", "text": piece})
                continue
            yield {"type": "content_block_stop", "index": index}
            index += 1
            call_id, name, arguments = piece
            use = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
            yield _block_start(index, use)
            for part in arguments:
                yield _delta(index, {"type": "input_json_delta", "partial_json": part})
        yield {"type": "content_block_stop", "index": index}
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": self.stop_reason, "stop_sequence": None},
            "usage": {"output_tokens": 9},
        }
        yield {"type": "message_stop"}


def _block_start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _encode(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
