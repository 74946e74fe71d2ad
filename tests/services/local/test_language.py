import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from voicewire.errors import ServiceError
from voicewire.services.local import language
from voicewire.services.local.language import LANGUAGE_MODEL, LanguageServer
from voicewire.services.local.prompt import REQUEST_OPTIONS, ShortAnswer, build_messages

pytestmark = pytest.mark.local

LONG_STORY = [{"role": "user", "content": "Tell a very long story about the history of the sea."}]

PROGRAM = """
import asyncio, os, signal, sys, threading
from openai import AsyncOpenAI
from voicewire.services.local.language import LANGUAGE_MODEL, LanguageServer

answering = threading.Event()
server = LanguageServer.shared()
server.load()
print(server._process.pid, flush=True)

async def main():
    client = AsyncOpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0)
    stream = await client.chat.completions.create(
        model=LANGUAGE_MODEL, messages={messages!r}, stream=True, max_tokens=900, temperature=0
    )
    num_chunks = 0
    async with client, stream:
        async for chunk in stream:
            num_chunks += 1
            if num_chunks == 5:
                {at_fifth_chunk}

{run}
"""
RUN_MAIN = "asyncio.run(main())"
RUN_IN_THREAD = """
def run():
    try:
        asyncio.run(main())
    except Exception:
        pass  # the server ends first, if the program's end leaves time to notice

threading.Thread(target=run, daemon=True).start()
answering.wait()
"""


@pytest.fixture
def anyio_backend() -> Any:
    """One event loop is enough for what runs in a process of its own."""
    return ("asyncio", {"use_uvloop": False})


@pytest.fixture(scope="module")
def server() -> Iterator[LanguageServer]:
    server = LanguageServer()
    server.load()
    yield server
    server.close()


@pytest.fixture
async def client(server: LanguageServer) -> AsyncIterator[Any]:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(
        base_url=server.base_url, api_key=server.api_key, max_retries=0
    ) as client:
        yield client


async def ask(client: Any, question: str) -> str:
    short = ShortAnswer()
    said = ""
    stream = await client.chat.completions.create(
        model=LANGUAGE_MODEL, messages=build_messages([], question), stream=True, **REQUEST_OPTIONS
    )
    async with stream:
        async for chunk in stream:
            said += short.feed(chunk.choices[0].delta.content or "")
            if short.is_complete:
                break
    return (said + short.finish()).strip()


@pytest.mark.anyio
async def test_it_answers_in_a_sentence(client: Any) -> None:
    assert await ask(client, "What is the capital of France?") == "The capital of France is Paris."


@pytest.mark.anyio
@pytest.mark.parametrize(
    "question",
    [
        "Why is the sky blue?",
        "Tell me a story about a dragon.",
        "How do I make a cup of tea?",
        "I feel a bit sad today.",
        "Do you like music?",
        "Write a list of ten animals.",
    ],
)
async def test_an_answer_can_be_spoken(client: Any, question: str) -> None:
    answer = await ask(client, question)
    assert 3 < len(answer) < 500
    assert not set(answer) & set("*#`\n")
    sentences = answer.split(". ")
    assert len(set(sentences)) == len(sentences)


@pytest.mark.anyio
async def test_parallel_answers_do_not_mix(client: Any) -> None:
    countries = {"France": "Paris", "Spain": "Madrid", "Germany": "Berlin", "Italy": "Rome"}
    questions = [f"What is the capital of {country}?" for country in countries]
    answers = await asyncio.gather(*(ask(client, question) for question in questions))
    for answer, capital in zip(answers, countries.values(), strict=True):
        assert capital in answer


@pytest.mark.anyio
async def test_a_stranger_is_turned_away(server: LanguageServer) -> None:
    from openai import AsyncOpenAI, AuthenticationError

    async with AsyncOpenAI(base_url=server.base_url, api_key="guess", max_retries=0) as stranger:
        with pytest.raises(AuthenticationError):
            await ask(stranger, "What is the capital of France?")


def test_only_this_machine_can_reach_it(server: LanguageServer) -> None:
    assert server.base_url.startswith("http://127.0.0.1:")
    assert server.base_url.endswith("/v1")


@pytest.mark.anyio
async def test_one_that_died_is_started_again_at_the_same_address(
    server: LanguageServer, client: Any
) -> None:
    base_url = server.base_url
    process = server._process
    assert process is not None
    process.kill()
    process.wait()
    assert not server.is_loaded
    await server.ready()
    assert server.base_url == base_url
    assert "Paris" in await ask(client, "What is the capital of France?")


def test_without_being_started_it_has_no_address() -> None:
    with pytest.raises(ServiceError, match=r"has not been started; await ready\(\) first"):
        _ = LanguageServer().base_url


def test_a_server_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nonsense = tmp_path / "nonsense.gguf"
    nonsense.write_bytes(b"not a model")
    monkeypatch.setattr(language, "verify", lambda file: nonsense)
    with pytest.raises(ServiceError, match="the language model could not be started: "):
        LanguageServer().load()


@pytest.mark.parametrize(
    ("at_fifth_chunk", "run", "status"),
    [
        ("break", RUN_MAIN, 0),
        ("server.close(); break", RUN_MAIN, 0),
        ("os.kill(os.getpid(), signal.SIGINT)", RUN_MAIN, -signal.SIGINT),
        ("os.kill(os.getpid(), signal.SIGKILL)", RUN_MAIN, -signal.SIGKILL),
        ("answering.set()", RUN_IN_THREAD, 0),
    ],
    ids=["end", "close", "interrupt", "kill", "answer that goes on"],
)
def test_it_ends_with_its_program(at_fifth_chunk: str, run: str, status: int) -> None:
    program = PROGRAM.format(messages=LONG_STORY, at_fifth_chunk=at_fifth_chunk, run=run)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done.stderr
    server_pid, *more = done.stdout.splitlines()
    assert more == []
    if status == 0:
        assert done.stderr == ""
    deadline = time.monotonic() + 10
    while _is_running(int(server_pid)):
        assert time.monotonic() < deadline, "the server outlives its program"
        time.sleep(0.01)  # another process's end cannot be awaited


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
