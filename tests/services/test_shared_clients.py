"""Clients that many callers share."""

import asyncio
import threading

import pytest

from tests.services.fakes.openai_server import KEY, FakeOpenAI
from tests.services.rig import running
from voicewire.frames import LLMFullResponseEndFrame, LLMMessagesFrame
from voicewire.services import shared_clients
from voicewire.services.openai import OpenAILLMService
from voicewire.services.shared_clients import ClientShare

pytestmark = pytest.mark.anyio


class Client:
    """Counts how often it is closed."""

    def __init__(self) -> None:
        self.num_closed = 0

    async def close(self) -> None:
        self.num_closed += 1


@pytest.fixture(autouse=True)
def _nothing_is_left() -> object:
    before = set(shared_clients._shared)  # Of event loops that are over, in other tests.
    yield
    assert set(shared_clients._shared) == before


async def test_what_is_the_same_is_made_once_and_closed_by_the_last() -> None:
    one, two, other = (ClientShare(what, Client) for what in ("a", "a", "b"))
    await asyncio.gather(one.open(), two.open(), other.open())
    client = one.client
    assert two.client is client
    assert other.client is not client
    await one.close()
    assert (client.num_closed, one.client) == (0, None)
    await one.close()
    await two.close()
    assert client.num_closed == 1
    await other.close()


async def test_who_comes_when_all_have_gone_gets_a_new_one() -> None:
    share = ClientShare("a", Client)
    await share.open()
    first = share.client
    await share.close()
    await share.open()
    assert share.client is not first
    await share.close()


async def test_a_failure_comes_out_and_the_next_attempt_may_succeed() -> None:
    def fail() -> Client:
        raise ValueError("no key")

    for _ in range(2):
        with pytest.raises(ValueError, match="no key"):
            await ClientShare("a", fail).open()
    share = ClientShare("a", Client)
    await share.open()
    await share.close()


async def test_one_who_leaves_while_it_is_made_takes_it_from_nobody() -> None:
    may_make = threading.Event()

    def make() -> Client:
        may_make.wait(5)
        return Client()

    one, two = ClientShare("a", make), ClientShare("a", make)
    first, second = asyncio.ensure_future(one.open()), asyncio.ensure_future(two.open())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    may_make.set()
    await second
    assert two.client is not None
    await two.close()


async def test_two_callers_use_one_connection() -> None:
    async with FakeOpenAI() as fake:

        def service() -> OpenAILLMService:
            return OpenAILLMService(model="tiny", base_url=fake.url, api_key=KEY)

        async with running(service()) as one, running(service()) as two:
            for rig in (one, two, one):
                count = len(rig.all_of(LLMFullResponseEndFrame))
                await rig.send(LLMMessagesFrame([{"role": "user", "content": "Hi."}]))
                await rig.wait_for(LLMFullResponseEndFrame, count + 1)
            assert fake.num_connections == 1
