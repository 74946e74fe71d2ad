"""Calling somebody, by a provider that is on this machine."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.telephony.api import Api, serving
from voicewire.cli.main import main

pytestmark = pytest.mark.anyio


def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


KEYS = {
    "twilio": {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "token-1"},
    "telnyx": {"TELNYX_API_KEY": "key-1", "TELNYX_CONNECTION_ID": "c1"},
    "plivo": {"PLIVO_AUTH_ID": "MA1", "PLIVO_AUTH_TOKEN": "token-1"},
    "vonage": {"VONAGE_APPLICATION_ID": "app-1", "VONAGE_PRIVATE_KEY": private_key()},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def dial(provider: str, api: Api, *arguments: str, **env: Any) -> Result:
    async with serving(api) as base_url:
        command = ["dial", "+15550100", "--by", provider, "--from", "+15550199"]
        server = ["--server", "wss://voice.example.com/", "--api", base_url]
        return await asyncio.to_thread(
            CliRunner(env={**KEYS[provider], **env}).invoke, main, [*command, *server, *arguments]
        )


async def test_twilio_is_told_whom_to_call_and_what_to_do_then() -> None:
    api = Api(201)
    result = await dial("twilio", api)
    assert result.exit_code == 0, result.output
    assert "twilio calls +15550100" in result.output
    ((method, path, headers, body),) = api.asked
    assert (method, path) == ("POST", "/2010-04-01/Accounts/AC1/Calls.json")
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"AC1:token-1"
    form = {name: value for name, (value,) in parse_qs(body.decode()).items()}
    assert (form["To"], form["From"]) == ("+15550100", "+15550199")
    assert '<Stream url="wss://voice.example.com/twilio">' in form["Twiml"]


async def test_telnyx_is_told_where_to_stream() -> None:
    api = Api(200)
    assert (await dial("telnyx", api)).exit_code == 0
    ((_, path, headers, body),) = api.asked
    assert (path, headers["authorization"]) == ("/v2/calls", "Bearer key-1")
    asked = json.loads(body)
    assert (asked["connection_id"], asked["to"]) == ("c1", "+15550100")
    assert asked["stream_url"] == "wss://voice.example.com/telnyx"
    assert asked["stream_bidirectional_codec"] == "PCMU"


async def test_plivo_is_told_where_to_ask() -> None:
    api = Api(201)
    assert (await dial("plivo", api)).exit_code == 0
    ((_, path, _, body),) = api.asked
    assert path == "/v1/Account/MA1/Call/"
    assert json.loads(body)["answer_url"] == "https://voice.example.com/plivo/start"


async def test_vonage_is_told_what_to_do_when_it_is_answered() -> None:
    api = Api(201)
    assert (await dial("vonage", api)).exit_code == 0
    ((method, path, headers, body),) = api.asked
    assert (method, path) == ("POST", "/v1/calls")
    assert headers["authorization"].startswith("Bearer ")
    (action,) = json.loads(body)["ncco"]
    assert action["endpoint"][0]["uri"] == "wss://voice.example.com/vonage"


async def test_a_call_that_is_refused_is_one_line_without_the_credentials() -> None:
    result = await dial("twilio", Api(401))
    assert result.exit_code == 1
    assert "twilio refuses the call: HTTP 401" in result.output
    assert "token-1" not in result.output


async def test_missing_credentials_are_named() -> None:
    result = await dial("twilio", Api(), TWILIO_AUTH_TOKEN="")
    assert result.exit_code == 2
    assert "TWILIO_AUTH_TOKEN must be in the environment" in result.output


async def test_a_server_that_is_no_address_is_refused() -> None:
    result = await dial("telnyx", Api(), "--server", "voice.example.com")
    assert result.exit_code == 2
    assert "expected an address such as wss://voice.example.com" in result.output
