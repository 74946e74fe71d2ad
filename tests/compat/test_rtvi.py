"""Pipecat's RTVI processor, as bots of its earlier releases place it in their pipelines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.rtvi.test_transport import Client
from voicewire.compat.pipeline import PipelineRunner, PipelineTask
from voicewire.compat.rtvi import RTVIConfig, RTVIObserver, RTVIProcessor
from voicewire.compat.transports import WebsocketServerParams, WebsocketServerTransport
from voicewire.errors import ConfigurationError
from voicewire.pipeline import Pipeline
from voicewire.rtvi import RTVIParams

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def calling(transport: WebsocketServerTransport, task: PipelineTask) -> AsyncIterator[Client]:
    is_ready = asyncio.Event()

    @transport.event_handler("on_websocket_ready")
    async def on_ready(_: Any) -> None:
        is_ready.set()

    run = asyncio.ensure_future(PipelineRunner(handle_sigint=False).run(task))
    await is_ready.wait()
    try:
        async with Client(transport.url) as client:
            yield client
    finally:
        await task.cancel()
        await run


def make_transport() -> WebsocketServerTransport:
    return WebsocketServerTransport(WebsocketServerParams(), host="127.0.0.1", port=0)


async def test_a_bot_with_the_processor_and_the_observer_works_as_it_is() -> None:
    transport = make_transport()
    rtvi = RTVIProcessor(config=RTVIConfig(config=[]))
    ready: list[Any] = []

    @rtvi.event_handler("on_client_ready")
    async def on_client_ready(rtvi: Any) -> None:
        ready.append(rtvi.client_version)
        await rtvi.set_bot_ready()

    pipeline = Pipeline([transport.input(), rtvi, transport.output()])
    task = PipelineTask(pipeline, observers=[RTVIObserver(rtvi)])

    @rtvi.event_handler("on_client_message")
    async def on_client_message(rtvi: Any, message: Any) -> None:
        await rtvi.send_server_response(message, {"you": message.data})

    async with calling(transport, task) as client:
        await client.say_hello()
        await client.ask("client-message", {"t": "hi", "d": 1})
        (answer,) = await client.hears("server-response")
        await rtvi.send_server_message({"from": "the bot"})
        await client.hears("server-message")
    assert answer["data"] == {"t": "hi", "d": {"you": 1}}
    assert ready == ["2.1.0"]
    assert len(client.of("bot-ready")) == 1


async def test_a_bot_that_uses_the_tasks_rtvi_works_as_it_is() -> None:
    transport = make_transport()
    task = PipelineTask(Pipeline([transport.input(), transport.output()]))
    ready: list[Any] = []

    @task.rtvi.event_handler("on_client_ready")
    async def on_client_ready(rtvi: Any) -> None:
        ready.append(rtvi)

    async with calling(transport, task) as client:
        await client.say_hello()
    assert ready == [transport.rtvi]


def test_without_a_transport_there_is_no_rtvi() -> None:
    with pytest.raises(ConfigurationError, match="transport"):
        _ = PipelineTask(Pipeline([RTVIProcessor()])).rtvi


def test_an_unknown_name_is_an_attribute_error_and_an_unknown_event_a_value_error() -> None:
    rtvi = RTVIProcessor()
    with pytest.raises(AttributeError):
        _ = rtvi.nothing_of_the_kind
    with pytest.raises(ValueError, match="on_client_ready"):
        rtvi.event_handler("on_client_redy")(on_event)


async def on_event(rtvi: Any) -> None:
    """Do nothing."""


def test_parameters_of_the_observer_are_for_the_transport(
    caplog: pytest.LogCaptureFixture,
) -> None:
    RTVIObserver(RTVIProcessor(), params=RTVIParams())
    assert "WebsocketServerParams(rtvi=...)" in caplog.text
