"""Anthropic's service in a pipeline, with a server on the loopback."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.services.fakes.anthropic_server import KEY, FakeAnthropic
from tests.services.fakes.error_log import ErrorLog
from tests.services.fakes.http_server import FOR_GOOD, Trouble
from tests.services.rig import Rig, running
from voicewire.context import LLMContext
from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.frames import (
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
)
from voicewire.services.anthropic import MAX_TOKENS, AnthropicLLMService

pytestmark = pytest.mark.anyio

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic() as server:
        yield server


def llm_of(fake: FakeAnthropic, **options: Any) -> AnthropicLLMService:
    return AnthropicLLMService(
        **{"model": "claude", "base_url": fake.url, "api_key": KEY, **options}
    )


def texts(rig: Rig) -> str:
    return "".join(frame.text for frame in rig.all_of(LLMTextFrame))


async def once(event: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await event.wait()


async def test_an_answer_streams_from_the_server(fake: FakeAnthropic) -> None:
    async with running(llm_of(fake, temperature=0.5, extra={"top_p": 0.9})) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame)
        assert [f.text for f in rig.all_of(LLMTextFrame)] == ["Hel", "lo."]
    assert fake.requests[0].json == {
        "model": "claude",
        "max_tokens": MAX_TOKENS,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "temperature": 0.5,
        "top_p": 0.9,
        "stream": True,
    }


async def test_calls_are_put_together_run_and_answered(fake: FakeAnthropic) -> None:
    asked: list[str] = []

    async def weather(city: str) -> str:
        """Tell the weather."""
        asked.append(city)
        return f"rain in {city}"

    async def now() -> str:
        return "noon"

    fake.answers = [
        [
            "Let me see. ",
            ("toolu_1", "weather", ["", '{"ci', 'ty": "Paris"}']),
            ("toolu_2", "now", [""]),
        ],
        ["Rain."],
    ]
    async with running(llm_of(fake, context=LLMContext(tools=[weather, now]))) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert texts(rig) == "Let me see. Rain."
    assert asked == ["Paris"]
    first, second = (request.json for request in fake.requests)
    assert [tool["name"] for tool in first["tools"]] == ["weather", "now"]
    kinds = [[block["type"] for block in each["content"]] for each in second["messages"]]
    assert kinds == [["text"], ["text", "tool_use", "tool_use"], ["tool_result", "tool_result"]]
    assert second["messages"][1]["content"][1]["input"] == {"city": "Paris"}
    assert second["messages"][2]["content"][1]["content"] == [{"type": "text", "text": "noon"}]


async def test_the_prompt_is_kept_by_the_server_on_demand(fake: FakeAnthropic) -> None:
    async with running(llm_of(fake, caches_prompt=True)) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame)
    asked = fake.requests[0].json
    assert asked["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert asked["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}


TROUBLES = {
    "a wrong request": Trouble(status=400),
    "a refused key": Trouble(status=401),
    "too many requests": Trouble(status=429, headers=FOR_GOOD),
    "a broken server": Trouble(status=500, headers=FOR_GOOD),
    "an overloaded server": Trouble(status=529, headers=FOR_GOOD),
    "an error in mid-stream": Trouble(kind="error", after=4),
    "a drop in mid-stream": Trouble(kind="drop", after=4),
    "half a JSON": Trouble(kind="half", after=4),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_an_answer_that_fails_is_reported_and_the_next_one_comes(
    fake: FakeAnthropic, trouble: Trouble
) -> None:
    async with running(llm_of(fake)) as rig:
        errors = ErrorLog(rig)
        fake.troubles.append(trouble)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 1)
        first = texts(rig)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert texts(rig).removeprefix(first) == "Hello."
        await errors.wait_for(1)
    assert first == ("" if trouble.status else "Hel")
    assert len(errors) == 1
    assert "AnthropicLLMService" in errors[0].error
    if trouble.status is not None or trouble.kind == "error":
        assert "not today" in errors[0].error


async def test_a_call_that_breaks_off_is_not_made(fake: FakeAnthropic) -> None:
    async def pay(amount: int) -> str:
        raise AssertionError

    fake.answers = [[("toolu_1", "pay", ['{"amount": 10', "00}"])], ["Sorry."]]
    fake.troubles.append(Trouble(kind="drop", after=6))
    async with running(llm_of(fake, context=LLMContext(tools=[pay]))) as rig:
        errors = ErrorLog(rig)
        await rig.send(LLMMessagesFrame(QUESTION))
        await errors.wait_for(1)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert texts(rig) == "Sorry."


async def test_a_server_that_says_nothing_is_given_up_and_left(fake: FakeAnthropic) -> None:
    fake.troubles.append(Trouble(kind="hang", after=0))
    async with running(llm_of(fake, timeout_secs=0.2)) as rig:
        errors = ErrorLog(rig)
        await rig.send(LLMMessagesFrame(QUESTION))
        await errors.wait_for(1)
        await once(fake.was_left)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert texts(rig) == "Hello."


async def test_an_interruption_hangs_up_on_the_server(fake: FakeAnthropic) -> None:
    fake.troubles.append(Trouble(kind="hang", after=4))
    async with running(llm_of(fake)) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMTextFrame)
        await rig.send(InterruptionFrame())
        await once(fake.was_left)
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame)
    assert fake.num_left == 1


async def test_new_settings_hold_from_the_next_answer_on(fake: FakeAnthropic) -> None:
    async with running(llm_of(fake)) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.send(LLMUpdateSettingsFrame({"model": "opus", "max_tokens": 7}))
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert [(r.json["model"], r.json["max_tokens"]) for r in fake.requests] == [
        ("claude", MAX_TOKENS),
        ("opus", 7),
    ]


async def test_an_answer_that_was_cut_at_its_longest_is_logged(
    fake: FakeAnthropic, caplog: pytest.LogCaptureFixture
) -> None:
    fake.stop_reason = "max_tokens"
    async with running(llm_of(fake)) as rig:
        await rig.send(LLMMessagesFrame(QUESTION))
        await rig.wait_for(LLMFullResponseEndFrame)
    assert "cut at max_tokens" in caplog.text


async def test_a_refused_key_is_in_no_log_and_no_error(
    fake: FakeAnthropic, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "sk-ant-this-is-my-wrong-key"
    with caplog.at_level(logging.DEBUG):
        async with running(llm_of(fake, api_key=wrong)) as rig:
            errors = ErrorLog(rig)
            await rig.send(LLMMessagesFrame(QUESTION))
            await errors.wait_for(1)
    assert "invalid API key" in errors[0].error
    assert wrong not in errors[0].error
    assert wrong not in caplog.text
    assert caplog.records


async def test_a_missing_package_is_an_error_that_says_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(MissingExtraError, match=r"voicewire\[anthropic\]"):
        async with running(AnthropicLLMService(model="claude", api_key=KEY)):
            pass


def test_a_missing_key_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY"):
        AnthropicLLMService(model="claude")
