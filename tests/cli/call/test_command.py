import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from anyio.to_thread import run_sync
from click.testing import CliRunner
from websockets.asyncio.server import ServerConnection as AsyncServerConnection
from websockets.asyncio.server import serve as async_serve
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.cli.call.scripted_bot import ScriptedBot
from tests.cli.command_line import VOICEWIRE
from voicewire.audio.pcm import wav_bytes
from voicewire.cli.main import main
from voicewire.serializers.protos import frames_pb2 as proto


@pytest.fixture
def question(tmp_path: Path) -> str:
    path = tmp_path / "question.wav"
    path.write_bytes(wav_bytes(b"\0\x30" * 3200, 16000, 1))
    return str(path)


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def web_server() -> Iterator[str]:
    """Serve plain HTTP, and yield the address as if it were a WebSocket server's."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def refusal(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["call", *arguments])
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
    return result.exit_code, result.output.removeprefix("Error: ").rstrip("\n")


def test_a_server_that_does_not_run_is_one_line(question: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
    message = f"{url}: cannot be reached: connection refused; does the server run?"
    assert refusal(url, "--wav", question) == (1, message)


def test_a_server_of_another_kind_is_one_line(question: str, web_server: str) -> None:
    message = f"{web_server}: the server refuses the call: HTTP 501 Not Implemented"
    assert refusal(web_server, "--wav", question) == (1, message)


def test_a_server_that_refuses_is_one_line(question: str) -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(503, "come back later")

    def ignore(socket: ServerConnection) -> None:
        pass

    with serve(ignore, "127.0.0.1", 0, process_request=refuse) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        message = f"{url}: the server refuses the call: HTTP 503 Service Unavailable"
        assert refusal(url, "--wav", question) == (1, message)
        server.shutdown()
        thread.join()


def test_a_refusal_cannot_steer_the_terminal(question: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=_refuse_with_an_escape, args=[server])
        thread.start()
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        message = f"{url}: the server refuses the call: HTTP 403 Forbidden"
        assert refusal(url, "--wav", question) == (1, message)
        thread.join()


def _refuse_with_an_escape(server: socket.socket) -> None:
    peer, _ = server.accept()
    with peer:
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 403 \x9b2Jno\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_server_cannot_steer_the_terminal(question: str) -> None:
    async def speak_in_escapes(peer: AsyncServerConnection) -> None:
        nasty = proto.TranscriptionFrame(text="\x1b[2Jheard")
        await peer.send(proto.Frame(transcription=nasty).SerializeToString())
        await peer.send(proto.Frame(text=proto.TextFrame(text="\x9b2Jsaid")).SerializeToString())
        await peer.close(4000, "\x1b]0;gone\x07")

    async with async_serve(speak_in_escapes, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        output, errors = await _communicate(_start(url, "--wav", question))
        json_output, _ = await _communicate(_start(url, "--wav", question, "--json"))
    assert r"understood: \x1b[2Jheard" in output
    assert r"bot: \x9b2Jsaid" in output
    assert r"closed by the server (4000, \x1b]0;gone\x07)" in output
    assert (output + errors + json_output).replace("\n", "").isprintable()
    events = {event["event"]: event for event in map(json.loads, json_output.splitlines())}
    assert events["closed"]["reason"] == "\x1b]0;gone\x07"
    assert events["bot_text"]["text"] == "\x9b2Jsaid"


@pytest.mark.parametrize("url", ["nonsense", "http://localhost:8765", "ws://"])
def test_what_is_no_address_is_wrong_usage(url: str, question: str) -> None:
    message = f"{url}: expected a WebSocket address, such as ws://localhost:8765"
    assert refusal(url, "--wav", question) == (2, message)


def test_it_wants_recordings_or_a_microphone(question: str) -> None:
    message = "give recordings with --wav FILE, or --mic to speak yourself"
    assert refusal("ws://localhost:1") == (2, message)
    assert refusal("ws://localhost:1", "--mic", "--wav", question) == (2, message)


def test_a_file_that_does_not_exist_is_wrong_usage() -> None:
    exit_code, message = refusal("ws://localhost:1", "--wav", "no_such_file.wav")
    assert (exit_code, message) == (
        2,
        "no_such_file.wav: cannot be read: no such file or directory",
    )


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_ctrl_c_prints_the_summary_so_far(question: str) -> None:
    async with ScriptedBot(answer_secs=30.0).serving() as url:
        process = _start(url, "--wav", question, "--json")
        lines = await _lines_until(process, "bot_started")
        process.send_signal(signal.SIGINT)
        rest, errors = await _communicate(process)
    assert process.returncode == 130
    assert errors == ""
    events = [json.loads(line) for line in (lines + rest).splitlines()]
    assert events[-1]["event"] == "summary"
    assert events[-1]["questions"][0]["transcript"] == "question 1"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_without_an_answer_it_fails_in_one_line_after_the_summary(question: str) -> None:
    async with ScriptedBot(answer_secs=0.0).serving() as url:
        process = _start(url, "--wav", question, "--timeout", "0.3", "--greeting-wait", "0")
        output, errors = await _communicate(process)
    assert process.returncode == 1
    assert errors == f"Error: {url}: the last question was not answered in time\n"
    assert "1. question.wav (no answer)" in output
    assert "understood: question 1" in output


def _start(*arguments: str) -> "subprocess.Popen[str]":
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [*VOICEWIRE, "call", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


async def _lines_until(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdout is not None
    lines = ""
    while text not in lines:
        line = await run_sync(process.stdout.readline)
        assert line, lines
        lines += line
    return lines


async def _communicate(process: "subprocess.Popen[str]") -> tuple[str, str]:
    return await run_sync(process.communicate)
