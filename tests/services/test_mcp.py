"""Tools of MCP servers: programs of the official package, over stdio and HTTP."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.services.fakes.scripted import ScriptedLLM
from tests.services.rig import running
from voicewire.context import LLMContext
from voicewire.errors import MissingExtraError, ServiceError
from voicewire.frames import InterruptionFrame, LLMFullResponseEndFrame, TranscriptionFrame
from voicewire.services.function_calls import CANCELLED, FunctionCallParams, ToolCall
from voicewire.services.mcp import MCPHTTP, MCPStdio, MCPTools

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
MODULE = "tests.services.fakes.mcp_program"
ENV = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
PROGRAM = MCPStdio(command=sys.executable, args=["-m", MODULE, "stdio"], env=ENV, cwd=ROOT)


@pytest.fixture
def anyio_backend() -> Any:
    """Run on the loop that servers run on, and on no other: each test starts a program or two."""
    return ("asyncio", {"use_uvloop": True})


async def is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def http_program(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        MODULE,
        "http",
        str(port),
        cwd=ROOT,
        env={**os.environ, **ENV},
    )
    try:
        async with asyncio.timeout(20):
            while not await is_listening(port):  # noqa: ASYNC110 - it is another program
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def call(tools: MCPTools, name: str, **arguments: Any) -> str:
    """Call a tool as a model would, without one."""
    function = next(each for each in tools.functions if each.name == name)
    assert function.handler is not None
    params = FunctionCallParams(name, "a", arguments, LLMContext(), None, print)
    async with asyncio.timeout(20):
        return str(await function.handler(params))


async def test_a_programs_tools_are_described_and_called() -> None:
    async with MCPTools({"loopback": PROGRAM}) as tools:
        functions = {each.name: each for each in tools.functions}
        area = functions["area"]
        assert area.description == "Tell an area."
        assert "$ref" not in json.dumps(area.parameters)
        assert area.parameters["required"] == ["size"]
        assert area.parameters["properties"]["size"]["required"] == ["width", "height"]
        assert await call(tools, "area", size={"width": 2, "height": 3}) == "6"
        assert await call(tools, "shop_find", word="tea") == "tea 1\ntea 2"
        with pytest.raises(ServiceError, match="the shop is closed"):
            await call(tools, "fail")
        with pytest.raises(ServiceError, match="size"):
            await call(tools, "area", size="large")


async def test_a_model_calls_a_tool_and_gets_its_errors() -> None:
    async with MCPTools({"loopback": PROGRAM}) as tools:
        llm = ScriptedLLM(
            [
                ToolCall("a", "area", '{"size": {"width": 2, "height": 3}}'),
                ToolCall("b", "fail", "{}"),
            ],
            context=LLMContext(tools=tools.functions),
        )
        async with running(llm) as rig:
            await rig.send(TranscriptionFrame("How large?", "", ""))
            await rig.wait_for(LLMFullResponseEndFrame, 2)
    first, second = [m["content"] for m in llm.asked[1] if m["role"] == "tool"]
    assert first == "6"
    assert "the shop is closed" in json.loads(second)["error"]


async def test_an_interruption_cancels_a_tool_and_the_next_call_works() -> None:
    async with MCPTools({"loopback": PROGRAM}) as tools:
        llm = ScriptedLLM(
            [ToolCall("a", "sleep", '{"secs": 60}')], context=LLMContext(tools=tools.functions)
        )
        async with running(llm) as rig:
            await rig.send(TranscriptionFrame("Sleep.", "", ""))
            await rig.wait_for(LLMFullResponseEndFrame)
            await rig.settle()
            await rig.send(InterruptionFrame())
            await rig.settle()
        assert llm.messages[-1]["content"] == CANCELLED
        assert await call(tools, "pid")


async def test_a_tool_that_takes_too_long_is_given_up_and_the_next_call_works() -> None:
    async with MCPTools({"loopback": PROGRAM}, call_secs=0.5) as tools:
        with pytest.raises(ServiceError, match=r"no result within 0.5 s"):
            await call(tools, "sleep", secs=60)
        assert await call(tools, "pid")


async def test_a_program_that_dies_idle_is_started_again_before_it_is_needed() -> None:
    async with MCPTools({"loopback": PROGRAM}) as tools:
        before = int(await call(tools, "pid"))
        os.kill(before, signal.SIGKILL)
        after = int(await call(tools, "pid"))
    assert after != before


async def test_a_call_that_the_program_dies_over_is_not_repeated_unless_it_may_be(
    tmp_path: Path,
) -> None:
    async with MCPTools({"loopback": PROGRAM}) as tools:
        with pytest.raises(ServiceError, match="whether die has run is not known"):
            await call(tools, "die")
        assert await call(tools, "die_once", marker=str(tmp_path / "died")) == "alive"


async def test_programs_end_when_the_tools_are_closed() -> None:
    tools = MCPTools({"one": PROGRAM})
    await tools.open()
    number = int(await call(tools, "pid"))
    await asyncio.create_task(tools.close())  # Another task than that which has opened it.
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    await tools.close()


async def test_tools_of_one_name_get_that_of_their_server() -> None:
    async with MCPTools({"left": PROGRAM, "right": PROGRAM}) as tools:
        names = {each.name for each in tools.functions}
        assert {"left_pid", "right_pid", "left_shop_find"} <= names
        assert "pid" not in names
        assert await call(tools, "left_pid") != await call(tools, "right_pid")
        LLMContext(tools=tools.functions)


async def test_a_server_over_http_is_called_and_again_after_it_was_started_anew(
    free_tcp_port: int,
) -> None:
    url = f"http://127.0.0.1:{free_tcp_port}/mcp"
    async with http_program(free_tcp_port):
        tools = MCPTools({"shop": MCPHTTP(url=url, headers={"X-Shop": "tea"})})
        await tools.open()
        assert await call(tools, "area", size={"width": 2, "height": 3}) == "6"
        before = await call(tools, "pid")
    async with http_program(free_tcp_port):
        assert await call(tools, "pid") != before
        await tools.close()


@pytest.mark.parametrize(
    "server",
    [
        MCPStdio(command="no-such-program"),
        MCPStdio(command=sys.executable, args=["-c", "pass"]),
        "http://127.0.0.1:9/mcp",
    ],
    ids=["no program", "one that ends", "nobody there"],
)
async def test_a_server_that_is_not_there_is_an_error_and_nothing_is_left_running(
    server: Any,
) -> None:
    before = asyncio.all_tasks()
    tools = MCPTools({"good": PROGRAM, "bad": server}, open_secs=5)
    with pytest.raises(ServiceError, match="MCP server bad"):
        await tools.open()
    assert asyncio.all_tasks() == before


async def test_headers_are_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    server = MCPHTTP(url="http://127.0.0.1:9/mcp", headers={"Authorization": "Bearer s3cr3t"})
    with caplog.at_level(logging.DEBUG), pytest.raises(ServiceError) as caught:
        await MCPTools({"bad": server}, open_secs=5).open()
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in caplog.text
    assert "s3cr3t" not in repr(server)


async def test_a_missing_package_is_an_error_that_says_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(MissingExtraError, match=r"voicewire\[mcp\]"):
        await MCPTools({"one": PROGRAM}).open()
