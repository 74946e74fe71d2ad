import signal
import socket
import ssl
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect

from tests.cli.command_line import running
from tests.transports.certificates import write_certificate
from voicewire.transports.tls import LOOK_SECS

QUIET_BOT = """
from voicewire.pipeline import Pipeline, PipelineRunner, PipelineTask

async def bot(transport):
    await PipelineRunner().run(PipelineTask(Pipeline([transport.input(), transport.output()])))
"""

PATIENT_BOT = """
from voicewire.pipeline import Pipeline, PipelineRunner, PipelineTask
from voicewire.frames import OutputAudioRawFrame

async def bot(transport):
    task = PipelineTask(Pipeline([transport.input(), transport.output()]))

    @transport.event_handler("on_client_connected")
    async def talk(transport, client):
        await task.queue_frame(OutputAudioRawFrame(bytes(2 * 16000), 16000, 1))

    await PipelineRunner().run(task)
"""


@pytest.fixture
def bots(tmp_path: Path) -> Path:
    """Return a directory with bots in it."""
    (tmp_path / "quiet.py").write_text(QUIET_BOT)
    (tmp_path / "patient.py").write_text(PATIENT_BOT)
    (tmp_path / "broken.py").write_text("async def bot(transport):\n    raise ValueError('oops')\n")
    (tmp_path / "lonely.py").write_text("async def bot():\n    pass\n")
    (tmp_path / "hasty.py").write_text("async def bot(transport):\n    pass\n")
    return tmp_path


def test_it_tells_the_address_and_what_happens_there(bots: Path) -> None:
    with running(["--bot", "quiet:bot", "--port", "0"], cwd=bots) as server:
        url = server.wait_until_ready()
        assert url.startswith("ws://localhost:")
        with connect(url, proxy=None, max_queue=None):
            server.wait_for("client connected")
        server.wait_for("client disconnected")
        assert server.end(signal.SIGINT) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_an_ordinary_end(bots: Path, number: signal.Signals) -> None:
    with running(["--bot", "quiet:bot", "--port", "0"], cwd=bots) as server:
        server.wait_until_ready()
        assert server.end(number) == 0
        assert server.lines[-1] == "stopped"


def test_sigterm_lets_the_bot_finish(bots: Path) -> None:
    with running(["--bot", "patient:bot", "--port", "0"], cwd=bots) as server:
        with connect(server.wait_until_ready(), proxy=None, max_queue=None):
            server.wait_for("bot started speaking")
            assert server.end(signal.SIGTERM) == 0
        assert any("bot stopped speaking, after 1.0 s" in line for line in server.lines)


def test_ctrl_c_does_not_let_it_finish(bots: Path) -> None:
    with running(["--bot", "patient:bot", "--port", "0"], cwd=bots) as server:
        with connect(server.wait_until_ready(), proxy=None, max_queue=None):
            server.wait_for("bot started speaking")
            assert server.end(signal.SIGINT) == 0
        assert any("bot was interrupted" in line for line in server.lines)


def test_a_port_in_use_is_one_line(bots: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["--bot", "quiet:bot", "--host", "127.0.0.1", "--port", str(port)]
        with running(arguments, cwd=bots) as server:
            assert server.end() == 1
    assert server.lines == [
        f"Error: port {port} on 127.0.0.1 is already in use; choose another one with --port"
    ]


def test_a_bot_that_does_not_exist_is_one_line(bots: Path) -> None:
    with running(["--bot", "quiet:bott"], cwd=bots) as server:
        assert server.end() == 2
    assert server.lines == [
        "Error: --bot quiet:bott: the module 'quiet' has no function 'bott'; did you mean 'bot'?"
    ]


def test_a_bot_without_a_parameter_is_one_line(bots: Path) -> None:
    with running(["--bot", "lonely:bot"], cwd=bots) as server:
        assert server.end() == 2
    assert server.lines == ["Error: --bot lonely:bot: 'bot' does not take the transport alone"]


def test_a_bot_that_fails_ends_its_call_and_not_the_server(bots: Path) -> None:
    with running(["--bot", "broken:bot", "--port", "0"], cwd=bots) as server:
        url = server.wait_until_ready()
        for _ in range(2):
            with connect(url, proxy=None) as client, pytest.raises(ConnectionClosedError):
                client.recv()
        assert server.end(signal.SIGINT) == 0
    failures = [line for line in server.lines if "the bot failed: ValueError: oops" in line]
    assert len(failures) == 2


def test_a_bot_that_returns_says_goodbye(bots: Path) -> None:
    with running(["--bot", "hasty:bot", "--port", "0"], cwd=bots) as server:
        url = server.wait_until_ready()
        with connect(url, proxy=None) as client, pytest.raises(ConnectionClosedOK):
            client.recv()
        assert server.end(signal.SIGINT) == 0


def test_a_caller_too_many_is_refused(bots: Path) -> None:
    arguments = ["--bot", "quiet:bot", "--port", "0", "--max-sessions", "1"]
    with running(arguments, cwd=bots) as server:
        url = server.wait_until_ready()
        with connect(url, proxy=None), pytest.raises(InvalidStatus) as refused:
            connect(url, proxy=None)
        assert server.end(signal.SIGINT) == 0
    assert refused.value.response.status_code == 503


def test_workers_share_the_port_and_tell_it_once(bots: Path) -> None:
    arguments = ["--bot", "quiet:bot", "--port", "0", "--workers", "2"]
    with running(arguments, cwd=bots) as server:
        with connect(server.wait_until_ready(), proxy=None):
            server.wait_for("client connected")
        server.wait_for("client disconnected")
        assert server.end(signal.SIGINT) == 0
    assert sum("listening on" in line for line in server.lines) == 1


TOKEN = "adas-secret-token-1"  # noqa: S105 - of a test

GUARDED_BOT = """
import os
from quiet import bot as quiet
from voicewire import StaticTokens, WebsocketServerParams

async def bot(transport):
    assert "VOICEWIRE_TOKENS" not in os.environ
    await quiet(transport)

async def nobody(request):
    raise NotImplementedError

guarded = WebsocketServerParams(authenticate=nobody)
"""


def test_tokens_of_the_environment_keep_strangers_out(bots: Path) -> None:
    (bots / "heir.py").write_text(GUARDED_BOT)
    arguments = ["--bot", "heir:bot", "--port", "0", "--verbose"]
    with running(
        arguments, cwd=bots, variables={"VOICEWIRE_TOKENS": f"ada:{TOKEN},kiosk:{TOKEN}-2"}
    ) as server:
        url = server.wait_until_ready()
        for headers in ({}, {"Authorization": "Bearer of-bad-news"}):
            with pytest.raises(InvalidStatus) as refused:
                connect(url, proxy=None, additional_headers=headers)
            assert refused.value.response.status_code == 401
        with connect(f"{url}/?token={TOKEN}", proxy=None):
            assert server.wait_for("client connected").endswith("path '/', as 'ada'")
        with connect(f"{url}/{TOKEN}?token={TOKEN}-2", proxy=None):
            assert server.wait_for("client connected").endswith("path not shown, as 'kiosk'")
        assert server.end(signal.SIGINT) == 0
    assert not any("failed" in line or TOKEN in line for line in server.lines)


def test_tokens_that_are_none_are_one_line(bots: Path) -> None:
    variables = {"VOICEWIRE_TOKENS": "ada:short"}
    with running(["--bot", "quiet:bot"], cwd=bots, variables=variables) as server:
        assert server.end() == 2
    (line,) = server.lines
    assert line.startswith("Error: VOICEWIRE_TOKENS: the token of 'ada' has 5 characters")


def test_tokens_do_not_replace_a_hook_without_a_word(bots: Path) -> None:
    (bots / "guarded.py").write_text(GUARDED_BOT + "transport_params = guarded\n")
    with running(
        ["--bot", "guarded:bot"], cwd=bots, variables={"VOICEWIRE_TOKENS": TOKEN}
    ) as server:
        assert server.end() == 2
    assert server.lines == [
        "Error: VOICEWIRE_TOKENS is set, and transport_params has authenticate: it must be one"
    ]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_speaks_tls_and_shows_a_renewed_certificate(
    bots: Path, tmp_path: Path, workers: str
) -> None:
    files = write_certificate(tmp_path, "old")
    options = ["--tls-cert", str(files.certificate), "--tls-key", str(files.key)]
    arguments = ["--bot", "quiet:bot", "--port", "0", "--workers", workers, *options]
    with running(arguments, cwd=bots) as server:
        url = server.wait_until_ready()
        assert url.startswith("wss://localhost:")
        for name in ("old", "new"):
            write_certificate(tmp_path, name)
            time.sleep(LOOK_SECS)
            context = ssl.create_default_context(cafile=files.certificate)
            with connect(url, ssl=context, proxy=None):
                server.wait_for("client connected")
        assert server.end(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tls-cert", "a.pem"], "--tls-cert and --tls-key go together"),
        (["--tls-cert", "a.pem", "--tls-key", "b.pem"], "tls: a.pem is no file that can be read"),
        (["--trusted-proxy", "10.0.0.1/8"], "10.0.0.1/8 has host bits set; expected one such as"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_options_that_cannot_be_are_told_in_a_line(
    bots: Path, options: list[str], message: str, workers: str
) -> None:
    arguments = ["--bot", "quiet:bot", "--port", "0", "--workers", workers, *options]
    with running(arguments, cwd=bots) as server:
        assert server.end() != 0
    assert message in server.lines[-1]
    assert not any("Traceback" in line for line in server.lines)


def test_a_session_store_that_is_none_is_one_line_without_its_password(bots: Path) -> None:
    variables = {"VOICEWIRE_SESSION_STORE": "http://:hidden@host"}
    with running(["--bot", "quiet:bot"], cwd=bots, variables=variables) as server:
        assert server.end() == 2
    (line,) = server.lines
    assert line.startswith("Error: VOICEWIRE_SESSION_STORE: the address of the session store is")
    assert "hidden" not in line
