import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.services.rig import running
from voicewire.errors import MissingExtraError
from voicewire.frames import (
    ErrorFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesFrame,
    LLMTextFrame,
)
from voicewire.services.openai import OpenAILLMService

pytestmark = pytest.mark.anyio

QUESTION = [{"role": "user", "content": "hello"}]


class FakeServer:
    """An OpenAI-compatible server that streams `words`, or answers with `status`."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.words = ["Hel", "lo."]
        self.status = 200
        self.hangs = False
        self.was_left = asyncio.Event()

    async def answer(self, request: Request) -> Response:
        self.requests.append(await request.json())
        self.headers.append(dict(request.headers))
        if self.status != 200:
            return JSONResponse({"error": {"message": "not today"}}, self.status)
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        try:
            for word in self.words:
                delta = {"choices": [{"index": 0, "delta": {"content": word}}]}
                yield f"data: {json.dumps(delta)}\n\n"
            if self.hangs:
                await asyncio.Event().wait()
            yield 'data: {"choices": []}\n\ndata: [DONE]\n\n'
        except asyncio.CancelledError:
            self.was_left.set()
            raise


@asynccontextmanager
async def fake_server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    app = Starlette(routes=[Route("/v1/chat/completions", fake.answer, methods=["POST"])])
    with socket.create_server(("127.0.0.1", 0)) as sock:
        fake.url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
        config = uvicorn.Config(app, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[sock])
        try:
            yield fake
        finally:
            server.force_exit = True
            with suppress(asyncio.CancelledError):
                await server.shutdown(sockets=[sock])


def service(fake: FakeServer, **options: Any) -> OpenAILLMService:
    return OpenAILLMService(model="tiny", base_url=fake.url, api_key="secret", **options)


async def test_an_answer_streams_from_the_server() -> None:
    async with fake_server() as fake:
        llm = service(fake, temperature=0.5, max_tokens=9, extra={"stop": ["\n"]})
        async with running(llm) as rig:
            await rig.send(LLMMessagesFrame(QUESTION))
            await rig.wait_for(LLMFullResponseEndFrame)
            assert [f.text for f in rig.all_of(LLMTextFrame)] == ["Hel", "lo."]
    assert fake.requests == [
        {
            "model": "tiny",
            "messages": QUESTION,
            "stream": True,
            "temperature": 0.5,
            "max_tokens": 9,
            "stop": ["\n"],
        }
    ]
    assert fake.headers[0]["authorization"] == "Bearer secret"


async def test_an_interruption_hangs_up_on_the_server() -> None:
    async with fake_server() as fake:
        fake.hangs = True
        async with running(service(fake)) as rig:
            await rig.send(LLMMessagesFrame(QUESTION))
            await rig.wait_for(LLMTextFrame, 2)
            await rig.send(InterruptionFrame())
            async with asyncio.timeout(5):
                await fake.was_left.wait()


async def test_a_refusal_is_reported_without_the_key() -> None:
    errors: list[ErrorFrame] = []
    async with fake_server() as fake:
        fake.status = 400
        async with running(service(fake)) as rig:

            @rig.task.event_handler("on_pipeline_error")
            async def on_error(task: object, frame: ErrorFrame) -> None:
                errors.append(frame)

            await rig.send(LLMMessagesFrame(QUESTION))
            await rig.wait_for(LLMFullResponseEndFrame)
            await rig.settle()
    assert "not today" in errors[0].error
    assert "secret" not in errors[0].error


async def test_a_missing_package_is_an_error_that_says_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"voicewire\[openai\]"):
        async with running(OpenAILLMService(model="tiny", api_key="secret")):
            pass
