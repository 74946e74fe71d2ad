"""What providers ask before a call is connected, and who may connect one."""

import base64
import hmac
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.sessions.serving import voice_server
from tests.telephony.api import Api, serving
from tests.transports.client import eventually
from voicewire.frames import EndFrame
from voicewire.pipeline import Pipeline, PipelineRunner, PipelineTask
from voicewire.serializers import FrameSerializer, TwilioFrameSerializer, VonageFrameSerializer
from voicewire.sessions import SessionTransport
from voicewire.testing import SimulatedPhone, TwilioLine
from voicewire.transports import ClientConnection, hang_up

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdef"  # noqa: S105 - nobody's


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def twilio_signature(url: str, form: dict[str, str] | None = None) -> str:
    text = url + "".join(name + value for name, value in sorted((form or {}).items()))
    return base64.b64encode(hmac.digest(TOKEN.encode(), text.encode(), "sha1")).decode()


def signed_only() -> dict[str, Any]:
    return {
        "dialects": {"/twilio": TwilioFrameSerializer(account_sid="AC1", auth_token=TOKEN)},
        "public_url": "wss://voice.example.com/ws",
    }


async def ask(url: str, method: str = "POST", **options: Any) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.request(method, url.replace("ws://", "http://"), **options)


def found_in(answer: httpx.Response, path: str) -> ElementTree.Element:
    found = ElementTree.fromstring(answer.text).find(path)  # noqa: S314 - it is our own
    assert found is not None
    return found


async def test_twilio_is_told_to_connect_the_call_and_to_say_who_calls() -> None:
    async with voice_server() as server:
        form = {"From": '+15550100"', "To": "+15550199", "CallSid": "CA1"}
        answer = await ask(f"{server.url}/twilio/start", data=form)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/xml")
        stream = found_in(answer, "Connect/Stream")
        assert stream.get("url") == f"wss://127.0.0.1:{server.port}/twilio"
        passed = {each.get("name"): each.get("value") for each in stream}
        assert passed == {"from_number": '+15550100"', "to_number": "+15550199"}


async def test_each_provider_that_asks_is_told_in_its_own_way() -> None:
    async with voice_server(public_url="wss://voice.example.com/ws") as server:
        answers = {
            name: await ask(f"{server.url}/{name}/start", data={"From": "+15550100"})
            for name in ("telnyx", "plivo", "exotel")
        }
        query = {"from": "15550100", "to": "15550199", "uuid": "u1"}
        ncco = await ask(f"{server.url}/vonage/start", "GET", params=query)
        unasked = await ask(f"{server.url}/genesys/start")
    telnyx = found_in(answers["telnyx"], "Connect/Stream")
    assert telnyx.get("url") == "wss://voice.example.com/telnyx"
    plivo = found_in(answers["plivo"], "Stream")
    assert plivo.text == "wss://voice.example.com/plivo"
    assert plivo.get("extraHeaders") == "from=15550100"
    assert answers["exotel"].json() == {"url": "wss://voice.example.com/exotel"}
    (step,) = ncco.json()
    assert step["endpoint"][0]["uri"] == "wss://voice.example.com/vonage"
    assert step["endpoint"][0]["headers"]["from_number"] == "15550100"
    assert unasked.status_code == 404


async def test_only_twilio_may_ask_and_connect_where_we_know_it_by_its_signature() -> None:
    form = {"From": "+15550100", "CallSid": "CA1"}
    good = twilio_signature("https://voice.example.com/twilio/start", form)
    async with voice_server(**signed_only()) as server:
        url = f"{server.url}/twilio/start"
        for signature, status in ((good, 200), ("forged", 401), ("", 401)):
            headers = {"X-Twilio-Signature": signature}
            assert (await ask(url, data=form, headers=headers)).status_code == status
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}/twilio")
        assert refused.value.response.status_code == 401
        headers = {"X-Twilio-Signature": twilio_signature("wss://voice.example.com/twilio")}
        async with connect(f"{server.url}/twilio", additional_headers=headers):
            pass
        async with connect(f"{server.url}/ws"):  # Others do not sign.
            pass


async def test_a_jwt_of_vonage_lets_in_and_a_forged_one_does_not() -> None:
    dialects = {"/vonage": VonageFrameSerializer(signature_secret="s")}  # noqa: S106
    async with voice_server(dialects=dialects) as server:
        for headers in ({}, {"Authorization": "Bearer a.b.c"}):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{server.url}/vonage", additional_headers=headers)
            assert refused.value.response.status_code == 401


async def test_a_body_that_is_too_long_is_refused() -> None:
    async with voice_server() as server:
        answer = await ask(f"{server.url}/twilio/start", content=b"a" * 70_000)
        assert answer.status_code == 413


async def greet_and_end(transport: SessionTransport) -> None:
    """End the conversation as soon as somebody calls."""
    task = PipelineTask(Pipeline([transport.input(), transport.output()]))

    @transport.event_handler("on_client_connected")
    async def end(transport: SessionTransport, client: ClientConnection) -> None:
        await task.queue_frame(EndFrame())

    await PipelineRunner().run(task)


def hanging_up(base_url: str | None = None) -> dict[str, FrameSerializer]:
    params = TwilioFrameSerializer.InputParams(verify_signatures=False)
    twilio = TwilioFrameSerializer(
        account_sid="AC1", auth_token=TOKEN, base_url=base_url, params=params
    )
    return {"/twilio": twilio}


@pytest.mark.parametrize(
    ("statuses", "times"), [((200,), 1), ((404,), 1), ((401,), 1), ((500, 200), 2)]
)
async def test_a_call_is_hung_up_when_the_bot_has_finished(
    statuses: tuple[int, ...], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hang_up, "RETRY_SECS", 0.01)
    api = Api(*statuses)
    async with (
        serving(api) as base_url,
        voice_server(greet_and_end, dialects=hanging_up(base_url)) as server,
    ):
        async with SimulatedPhone(f"{server.url}/twilio", TwilioLine()) as phone:
            await phone.wait_until_over()
        await eventually(lambda: not server.sessions)
    assert len(api.asked) == times
    method, path, headers, body = api.asked[-1]
    assert (method, body) == ("POST", b"Status=completed")
    assert path.endswith("/Calls/CA0123456789abcdef0123456789abcdef.json")
    login = base64.b64decode(headers["authorization"].removeprefix("Basic "))
    assert login == f"AC1:{TOKEN}".encode()


async def test_a_caller_who_has_hung_up_is_not_hung_up_again() -> None:
    api = Api()
    async with serving(api) as base_url, voice_server(dialects=hanging_up(base_url)) as server:
        async with SimulatedPhone(f"{server.url}/twilio", TwilioLine()) as phone:
            await phone.say(bytes(3200))
            await phone.hang_up()
        await eventually(lambda: not server.sessions)
    assert api.asked == []
