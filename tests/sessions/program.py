"""A server as users write one: `python -m tests.sessions.program '{"workers": 2}'`.

Prints its URL when callers are let in. Each caller is told the process that serves them.
"""

import asyncio
import functools
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.sessions.serving import run_pipeline
from tests.transports.client import Echo
from voicewire import (
    RTVI,
    ClientConnection,
    HandshakeRequest,
    Identity,
    Limits,
    LLMContext,
    OneTimeTokens,
    RedisSessionStore,
    Rejection,
    SessionTransport,
    WebsocketServerParams,
    serve,
)
from voicewire.frames import RTVIClientMessageFrame
from voicewire.sessions import registry


async def bot(transport: SessionTransport) -> None:
    @transport.event_handler("on_client_connected")
    async def introduce(_: SessionTransport, client: ClientConnection) -> None:
        await client.send(str(os.getpid()))

    await run_pipeline(transport, Echo())


async def remembering(transport: SessionTransport) -> None:
    """Note what the client says, and tell it who has and all that has been noted."""
    context = LLMContext(transport.record.messages if transport.record else ())
    transport.remember(context)

    @transport.rtvi.event_handler("on_client_message")
    async def note(rtvi: RTVI, message: RTVIClientMessageFrame) -> None:
        context.add_message({"role": "user", "content": message.data})
        notes = [each["content"] for each in context.get_messages()]
        await rtvi.send_server_message({"pid": os.getpid(), "notes": notes})

    await run_pipeline(transport)


async def stubborn(transport: SessionTransport) -> None:
    registry.CANCEL_SECS = 2.0  # The test need not wait for longer.
    while True:
        try:
            await bot(transport)
            await asyncio.sleep(3600)
        except BaseException:  # noqa: BLE001, S110 - as bad bots do
            pass


TOKENS = OneTimeTokens("an-example-secret-of-32-bytes-or-more")


async def once(request: HandshakeRequest) -> Identity | Rejection:
    """Ask a hook that each process has made anew when it imported this module."""
    return await TOKENS(request)


async def fail_to_prepare() -> None:
    from voicewire import ModelFileError

    raise ModelFileError("weights.bin is missing")


async def prepare_unless(fault: str) -> None:
    if await asyncio.to_thread(Path(fault).exists):
        await fail_to_prepare()


def print_now(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - that is how a program tells its URL


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    prepare: Callable[[], Awaitable[None]] | None = fail_to_prepare
    if not settings.get("fails"):
        fault = settings.get("fails_if")
        prepare = functools.partial(prepare_unless, fault) if fault else None
    store = settings.get("store")
    serve(
        remembering if store else stubborn if settings.get("is_stubborn") else bot,
        "127.0.0.1",
        settings.get("port", 0),
        WebsocketServerParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            authenticate=once if settings.get("is_guarded") else None,
            session_store=RedisSessionStore(store) if store else None,
        ),
        Limits(max_sessions=settings.get("max_sessions", 100)),
        workers=settings["workers"],
        prepare=prepare,
        on_ready=print_now,
        drain_secs=settings.get("drain_secs", 10.0),
        reload_secs=settings.get("reload_secs"),
    )
