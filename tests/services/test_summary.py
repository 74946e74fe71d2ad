"""Long conversations, made short."""

import asyncio
import copy
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.services.fakes.scripted import ScriptedLLM
from voicewire.context import LLMContext
from voicewire.frames import Message
from voicewire.services.function_calls import IN_PROGRESS
from voicewire.services.summary import HEADING, PROMPT, ContextSummarizer, ContextSummary

pytestmark = pytest.mark.anyio

SHORT = ContextSummary(max_messages=6, keep_messages=2)


def system(text: str) -> Message:
    return {"role": "system", "content": text}


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def calling(*ids: str) -> Message:
    calls = [
        {"id": each, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        for each in ids
    ]
    return {"role": "assistant", "tool_calls": calls}


def result(call_id: str, text: str = "found") -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def talk(count: int) -> list[Message]:
    return [assistant(str(i)) if i % 2 else user(str(i)) for i in range(count)]


def summarizer(*script: Any, settings: ContextSummary = SHORT) -> ContextSummarizer:
    return ContextSummarizer(ScriptedLLM(*script), settings)


def test_a_summary_is_due_when_there_are_too_many_messages() -> None:
    it = summarizer()
    assert not it.is_due(LLMContext(talk(6)))
    assert it.is_due(LLMContext(talk(7)))
    assert not it.is_due(LLMContext([system(str(i)) for i in range(9)]))


async def test_older_messages_give_way_to_a_summary_behind_the_instructions() -> None:
    llm = ScriptedLLM(["They ", "greeted. "])
    context = LLMContext([system("Be brief."), *talk(4), system("Now sell."), *talk(4)])
    assert await ContextSummarizer(llm, SHORT).summarize(context)
    assert context.messages == [
        system("Be brief."),
        system("Now sell."),
        system(f"{HEADING}They greeted."),
        *talk(4)[2:],
    ]
    (instruction, question) = llm.asked[0]
    assert instruction == system(PROMPT)
    assert question["content"].splitlines() == [
        "user: 0",
        "assistant: 1",
        "user: 2",
        "assistant: 3",
        "user: 0",
        "assistant: 1",
    ]


async def test_the_next_summary_takes_in_the_one_before() -> None:
    llm = ScriptedLLM(["First."], ["Second."])
    it = ContextSummarizer(llm, SHORT)
    context = LLMContext([system("Be brief."), *talk(8)])
    assert await it.summarize(context)
    context.add_messages(talk(6))
    assert await it.summarize(context)
    assert context.messages[:2] == [system("Be brief."), system(f"{HEADING}Second.")]
    assert len(context.messages) == 4
    assert llm.asked[1][1]["content"].startswith(f"{HEADING}First.\nuser: ")


async def test_calls_and_their_results_are_told_to_the_model() -> None:
    llm = ScriptedLLM(["Done."])
    pictured = {
        "role": "user",
        "content": [{"type": "text", "text": "See?"}, {"type": "image_url"}],
    }
    context = LLMContext([pictured, calling("a"), result("a"), *talk(2)])
    assert await ContextSummarizer(llm, SHORT).summarize(context)
    assert llm.asked[0][1]["content"].splitlines() == [
        "user: See? (image_url)",
        "assistant: (calls look: {})",
        "(result: found)",
    ]


async def test_a_call_stays_with_its_results() -> None:
    kept = [calling("a", "b"), result("a"), result("b"), user("Thanks.")]
    context = LLMContext([*talk(4), *kept])
    assert await summarizer(["Hm."]).summarize(context)
    assert context.messages == [system(f"{HEADING}Hm."), *kept]


@pytest.mark.parametrize("running", [[result("a", IN_PROGRESS)], []], ids=["marked", "bare"])
async def test_a_call_that_still_runs_stays(running: list[Message]) -> None:
    kept = [calling("a"), *running, *talk(6)]
    context = LLMContext([*talk(4), *kept])
    assert await summarizer(["Hm."]).summarize(context)
    assert context.messages == [system(f"{HEADING}Hm."), *kept]


async def test_too_little_is_not_summarised() -> None:
    llm = ScriptedLLM()
    context = LLMContext([system("Be brief."), *talk(3)])
    assert not await ContextSummarizer(llm, SHORT).summarize(context)
    assert llm.asked == []


@pytest.mark.parametrize("script", [[ConnectionError("gone")], ["  "], []])
async def test_a_failure_leaves_the_conversation_alone_and_is_logged(
    script: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    context = LLMContext(talk(8))
    assert not await summarizer(script).summarize(context)
    assert context.messages == talk(8)
    assert [record.levelno >= logging.WARNING for record in caplog.records] == [True]


async def test_a_model_that_takes_too_long_is_a_failure() -> None:
    settings = ContextSummary(max_messages=6, keep_messages=2, timeout_secs=0.05)
    context = LLMContext(talk(8))
    assert not await summarizer([asyncio.Event()], settings=settings).summarize(context)
    assert context.messages == talk(8)


def append(messages: list[Message]) -> None:
    messages.append(user("And another thing."))


def cut_short(messages: list[Message]) -> None:
    messages[1]["content"] = "1, up to where it was h"


def replace(messages: list[Message]) -> None:
    messages[0] = dict(messages[0])


def begin_anew(messages: list[Message]) -> None:
    messages[:] = [user("Hi.")]


@pytest.mark.parametrize(
    ("change", "is_done"),
    [(append, True), (cut_short, False), (replace, False), (begin_anew, False)],
)
async def test_what_changes_under_its_summary_is_left_alone(change: Any, is_done: bool) -> None:
    may_answer = asyncio.Event()
    context = LLMContext(talk(8))
    task = asyncio.ensure_future(summarizer([may_answer, "Hm."]).summarize(context))
    await asyncio.sleep(0)
    change(context.messages)
    after = copy.deepcopy(context.messages)
    may_answer.set()
    assert await task is is_done
    if is_done:
        assert context.messages == [system(f"{HEADING}Hm."), *after[6:]]
    else:
        assert context.messages == after


def test_settings_that_would_keep_everything_are_refused() -> None:
    with pytest.raises(ValueError, match="keep_messages must be less"):
        ContextSummary(max_messages=5, keep_messages=5)


exchanges = st.lists(
    st.sampled_from(
        [
            [user("u")],
            [assistant("a")],
            [system("s")],
            [calling("a"), result("a")],
            [calling("b", "c"), result("c"), user("meanwhile"), result("b")],
            [calling("d"), result("d", IN_PROGRESS)],
        ]
    ),
    max_size=8,
)


@given(exchanges, st.integers(0, 5))
def test_no_result_loses_its_call(parts: list[list[Message]], keep: int) -> None:
    messages = copy.deepcopy([message for part in parts for message in part])
    context = LLMContext(messages)
    settings = ContextSummary(max_messages=6, keep_messages=keep)
    is_done = asyncio.run(summarizer(["Hm."], settings=settings).summarize(context))
    assert is_done == (context.messages != messages)
    called: list[str] = []
    for message in context.messages:
        called += [call["id"] for call in message.get("tool_calls", ())]
        if message["role"] == "tool":
            assert message["tool_call_id"] in called
    assert context.messages[len(context.messages) - keep :] == messages[len(messages) - keep :]
    in_progress = [m for m in messages if m.get("content") == IN_PROGRESS]
    assert [m for m in context.messages if m.get("content") == IN_PROGRESS] == in_progress
    assert sum(m == system("s") for m in messages) == sum(
        m == system("s") for m in context.messages
    )
