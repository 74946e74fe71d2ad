"""What docs/security.md shows works."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import voicewire
from tests.auth.asking import handshake, refused, subject_of
from tests.sessions.serving import run_pipeline, voice_server
from tests.transports.client import Caller, eventually
from voicewire import ConnectRequest, Identity, WebsocketServerParams

pytestmark = pytest.mark.anyio

TEXT = (Path(__file__).parents[2] / "docs/security.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)

ADA, OLD, NEW = (f"{name}-token-0123456789" for name in ("ada", "old", "new"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def run(begins: str, **names: Any) -> dict[str, Any]:
    """Run the one program that begins like this, and return what it has made."""
    (program,) = (text for text in PROGRAMS if text.startswith(begins))
    known = {name: getattr(voicewire, name) for name in voicewire.__all__}
    known |= {"ADAS_TOKEN": ADA, "OLD_TOKEN": OLD, "NEW_TOKEN": NEW, "SECRET": "s" * 32, **names}
    exec(program, known)  # noqa: S102 - it is ours
    return known


async def test_a_hook_of_ones_own() -> None:
    users = {
        "a": SimpleNamespace(name="ada", plan="gold", may_call=True),
        "b": SimpleNamespace(name="bob", plan="none", may_call=False),
    }

    async def find_user(token: str | None) -> Any:
        return users.get(token or "")

    made = run("async def authenticate", find_user=find_user)
    met: list[Identity | None] = []

    async def bot(transport: Any) -> None:
        await made["bot"](transport)
        met.append(transport.client.identity)
        await run_pipeline(transport)

    async with (
        voice_server(bot, authenticate=made["params"].authenticate) as server,
        Caller(f"{server.url}?token=a"),
    ):
        await eventually(lambda: met)
    assert met == [Identity("ada", {"plan": "gold"})]
    assert refused(await made["authenticate"](handshake("b")), 403, "not in your plan")
    stranger = await made["authenticate"](handshake("c"))
    assert refused(stranger.with_challenge(), 401, "log in first")


async def test_fixed_tokens() -> None:
    hook = run("authenticate = StaticTokens")["authenticate"]
    assert [subject_of(await hook(handshake(token))) for token in (ADA, OLD, NEW)] == [
        "ada",
        "kiosk",
        "kiosk",
    ]


async def test_json_web_tokens() -> None:
    hook = run("authenticate = JSONWebTokens")["authenticate"]
    assert refused(await hook(handshake()), 401)
    WebsocketServerParams(authenticate=hook)


async def test_one_time_tokens() -> None:
    params = run("one_time = OneTimeTokens")["params"]
    who = await params.authenticate(handshake(ADA, method="POST"))
    token = await params.connect_hook(ConnectRequest({}, {}, "127.0.0.1", who))
    assert subject_of(await params.authenticate(handshake(in_query=token))) == "ada"
    assert refused(await params.authenticate(handshake(in_query=token)), 401, "used before")


def test_every_program_is_tested() -> None:
    assert len(PROGRAMS) == 4


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https:)([^)#]+)\)", TEXT))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (Path(__file__).parents[2] / "docs" / path).exists()
