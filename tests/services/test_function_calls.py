"""Functions that a model calls, in a pipeline with a model that asks for them."""

import asyncio
import json
import threading
from typing import Any

import pytest

from tests.services.fakes.scripted import ScriptedLLM
from tests.services.rig import Rig, running
from voicewire.context import FunctionSchema, LLMContext, tool
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    Message,
    TranscriptionFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.services.function_calls import (
    CANCELLED,
    IN_PROGRESS,
    MAX_CALLS,
    MAX_RESULT_CHARS,
    FunctionCallParams,
    ToolCall,
)

pytestmark = pytest.mark.anyio


def heard(text: str = "Well?") -> TranscriptionFrame:
    return TranscriptionFrame(text, "", "")


def call(name: str, call_id: str = "a", /, **arguments: Any) -> ToolCall:
    return ToolCall(call_id, name, json.dumps(arguments))


def results(messages: list[Message]) -> list[str]:
    return [str(each["content"]) for each in messages if each["role"] == "tool"]


def answers(rig: Rig) -> list[str]:
    return [frame.text for frame in rig.all_of(LLMTextFrame)]


async def once(event: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await event.wait()


async def test_a_call_is_told_of_run_and_answered() -> None:
    async def weather(city: str) -> dict[str, str]:
        """Tell the weather."""
        return {city: "rain"}

    llm = ScriptedLLM(
        ["One moment. ", call("weather", city="Paris")],
        ["It rains."],
        context=LLMContext(tools=[weather]),
    )
    async with running(llm) as rig:
        await rig.send(heard("Weather?"))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert answers(rig) == ["One moment. ", "It rains."]
        (started,) = rig.all_of(FunctionCallsStartedFrame)
        assert [each.arguments for each in started.function_calls] == [{"city": "Paris"}]
        assert rig.all_of(FunctionCallInProgressFrame)[0].tool_call_id == "a"
        (result,) = rig.all_of(FunctionCallResultFrame)
        assert (result.function_name, result.result) == ("weather", '{"Paris": "rain"}')
    asked = {"name": "weather", "arguments": '{"city": "Paris"}'}
    assert llm.asked[1] == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "One moment. "},
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "type": "function", "function": asked}],
        },
        {"role": "tool", "tool_call_id": "a", "content": '{"Paris": "rain"}'},
    ]


async def test_parallel_calls_run_at_once_and_the_model_goes_on_when_all_have_ended() -> None:
    both = asyncio.Barrier(2)

    async def meet(name: str) -> str:
        async with asyncio.timeout(5):
            await both.wait()
        return name

    llm = ScriptedLLM(
        [call("meet", "a", name="Ann"), call("meet", "b", name="Bob")],
        context=LLMContext(tools=[meet]),
    )
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ["Ann", "Bob"]
    assert len(llm.asked) == 2


async def test_one_that_fails_leaves_the_others_alone() -> None:
    async def fail() -> str:
        raise ConnectionError("the shop is closed")

    async def work() -> str:
        return "fine"

    llm = ScriptedLLM(
        [call("fail", "a"), call("work", "b")], context=LLMContext(tools=[fail, work])
    )
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ['{"error": "ConnectionError: the shop is closed"}', "fine"]


async def test_one_that_takes_too_long_is_given_up() -> None:
    @tool(timeout_secs=0.05)
    async def sleep() -> None:
        await asyncio.Event().wait()

    llm = ScriptedLLM([call("sleep")], context=LLMContext(tools=[sleep]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ['{"error": "no result within 0.05 s"}']


async def test_a_timeout_of_the_functions_own_is_told_as_its_own() -> None:
    async def fetch() -> None:
        raise TimeoutError("the shop does not answer")

    llm = ScriptedLLM([call("fetch")], context=LLMContext(tools=[fetch]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ['{"error": "TimeoutError: the shop does not answer"}']


async def test_one_that_awaits_what_was_cancelled_has_failed() -> None:
    async def fetch() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    llm = ScriptedLLM([call("fetch")], context=LLMContext(tools=[fetch]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ['{"error": "it was cancelled"}']


def book(seats: int) -> str:
    return f"{seats} seats"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (ToolCall("a", "fly", "{}"), "there is no function 'fly'"),
        (ToolCall("a", "book", '{"seats": '), "the arguments are no JSON"),
        (ToolCall("a", "book", "[" * 100_000), "the arguments are no JSON"),
        (ToolCall("a", "book", "[2]"), "expected a JSON object"),
        (call("book", seats="many"), "seats: Input should be a valid integer"),
        (ToolCall("a", "book", ""), "seats: Field required"),
        (ToolCall("a", "book", "null"), "seats: Field required"),
    ],
)
async def test_a_wrong_call_is_told_to_the_model_in_words_that_help(
    asked: ToolCall, told: str
) -> None:
    llm = ScriptedLLM([asked], context=LLMContext(tools=[book]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert rig.all_of(FunctionCallsStartedFrame) == []
    (result,) = results(llm.asked[1])
    assert told in json.loads(result)["error"]


async def test_a_validator_that_breaks_leaves_no_call_without_a_result() -> None:
    class Broken:
        def model_validate(self, given: Any) -> Any:
            raise KeyError("oops")

    schema = FunctionSchema("look", "", handler=book, model=Broken())
    llm = ScriptedLLM([call("look")], context=LLMContext(tools=[schema]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert "oops" in results(llm.asked[1])[0]


async def test_a_function_that_blocks_runs_off_the_loop() -> None:
    threads: list[int] = []

    def slow(seats: int) -> str:
        threads.append(threading.get_ident())
        return f"{seats} seats"

    llm = ScriptedLLM([call("slow", seats="2")], context=LLMContext(tools=[slow]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ["2 seats"]
    assert threads != [threading.get_ident()]


async def test_a_handler_gets_the_call_and_gives_its_result_to_a_callback() -> None:
    got: list[FunctionCallParams] = []

    async def weather(params: FunctionCallParams, city: str) -> None:
        got.append(params)
        await params.result_callback({"weather": f"rain in {city}"})
        await params.result_callback("too late")

    llm = ScriptedLLM([call("weather", city="Paris")], context=LLMContext(tools=[weather]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ['{"weather": "rain in Paris"}']
    params = got[0]
    assert (params.function_name, params.tool_call_id) == ("weather", "a")
    assert params.arguments == {"city": "Paris"}
    assert params.llm is llm


async def test_a_registered_handler_answers_for_a_tool_without_one() -> None:
    async def handle(params: FunctionCallParams) -> None:
        await params.result_callback(params.arguments["word"])

    schema = FunctionSchema("look", "Look.", {"word": {"type": "string"}}, ["word"])
    llm = ScriptedLLM([call("look", word="tea")])
    llm.register_function("look", handle)
    async with running(llm) as rig:
        await rig.send(LLMContextFrame(LLMContext([], tools=[schema])))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ["tea"]


async def test_a_result_that_wants_no_answer_gets_none() -> None:
    class Quiet:
        run_llm = False

    async def note(params: FunctionCallParams) -> None:
        await params.result_callback("noted", properties=Quiet())

    llm = ScriptedLLM([call("note")], context=LLMContext(tools=[note]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(FunctionCallResultFrame)
        await rig.settle()
    assert len(llm.asked) == 1
    assert results(llm.messages) == ["noted"]


class Slow:
    """A function that returns when it is told to, and says when it begins and is cancelled."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.may_return = asyncio.Event()
        self.was_cancelled = asyncio.Event()

    async def slow(self) -> str:
        self.began.set()
        try:
            await self.may_return.wait()
        except asyncio.CancelledError:
            self.was_cancelled.set()
            raise
        return "found"


async def test_an_interruption_gives_up_a_call_and_says_so_in_the_context() -> None:
    function = Slow()
    llm = ScriptedLLM([call("slow")], context=LLMContext(tools=[function.slow]))
    async with running(llm) as rig:
        await rig.send(heard())
        await once(function.began)
        assert results(llm.messages) == [IN_PROGRESS]
        await rig.send(InterruptionFrame())
        await once(function.was_cancelled)
        await rig.wait_for(FunctionCallCancelFrame)
        assert results(llm.messages) == [CANCELLED]
        await rig.send(heard("Never mind."))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        await rig.settle()
        assert rig.all_of(FunctionCallResultFrame) == []
    assert len(llm.asked) == 2, "asked by the caller, not by the call"


async def test_a_call_that_swallows_its_cancellation_has_nothing_to_say_any_more() -> None:
    began = asyncio.Event()

    async def stubborn() -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
        return ""

    llm = ScriptedLLM([call("stubborn")], context=LLMContext(tools=[stubborn]))
    async with running(llm) as rig:
        await rig.send(heard())
        await once(began)
        await rig.send(InterruptionFrame())
        await rig.settle()
        assert rig.all_of(FunctionCallResultFrame) == []
    assert results(llm.messages) == [CANCELLED]
    assert len(llm.asked) == 1


async def test_a_call_that_survives_an_interruption_is_answered_later() -> None:
    function = Slow()
    slow = tool(cancel_on_interruption=False)(function.slow)
    llm = ScriptedLLM([call("slow")], ["Yes?"], ["Found."], context=LLMContext(tools=[slow]))
    async with running(llm) as rig:
        await rig.send(heard())
        await once(function.began)
        await rig.send(InterruptionFrame(), heard("Hello?"))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        assert results(llm.asked[1]) == [IN_PROGRESS]
        function.may_return.set()
        await rig.wait_for(LLMFullResponseEndFrame, 3)
        assert answers(rig) == ["Yes?", "Found."]
    assert results(llm.asked[2]) == ["found"]


async def test_a_result_that_comes_while_the_caller_speaks_waits_for_them() -> None:
    function = Slow()
    slow = tool(cancel_on_interruption=False)(function.slow)
    llm = ScriptedLLM([call("slow")], context=LLMContext(tools=[slow]))
    async with running(llm) as rig:
        await rig.send(heard())
        await once(function.began)
        await rig.send(UserStartedSpeakingFrame())
        await rig.settle()
        function.may_return.set()
        await rig.wait_for(FunctionCallResultFrame)
        await rig.settle()
        assert len(llm.asked) == 1
        await rig.send(UserStoppedSpeakingFrame(), heard("And?"))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        rig.clock.advance(10)
        await rig.settle()
    assert len(llm.asked) == 2
    assert results(llm.asked[1]) == ["found"]


async def test_of_two_calls_the_one_that_survives_has_the_model_go_on() -> None:
    brief, long = Slow(), Slow()

    async def given_up() -> str:
        return await brief.slow()

    @tool(cancel_on_interruption=False)
    async def kept() -> str:
        return await long.slow()

    llm = ScriptedLLM(
        [call("given_up", "a"), call("kept", "b")], context=LLMContext(tools=[given_up, kept])
    )
    async with running(llm) as rig:
        await rig.send(heard())
        await once(long.began)
        await rig.send(InterruptionFrame())
        await once(brief.was_cancelled)
        long.may_return.set()
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == [CANCELLED, "found"]


async def test_a_slow_call_is_bridged_with_words_that_are_not_remembered() -> None:
    function = Slow()
    slow = tool(progress="Let me look.", progress_after_secs=1.5)(function.slow)
    llm = ScriptedLLM([call("slow")], context=LLMContext(tools=[slow]))
    async with running(llm) as rig:
        await rig.send(heard())
        await once(function.began)
        rig.clock.advance(1.4)
        await rig.settle()
        assert rig.all_of(TTSSpeakFrame) == []
        rig.clock.advance(0.2)
        (said,) = await rig.wait_for(TTSSpeakFrame)
        assert (said.text, said.append_to_context) == ("Let me look.", False)
        function.may_return.set()
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        rig.clock.advance(10)
        await rig.settle()
        assert len(rig.all_of(TTSSpeakFrame)) == 1


async def test_a_fast_call_is_not_bridged() -> None:
    @tool(progress="Let me look.")
    async def fast() -> str:
        return "found"

    llm = ScriptedLLM([call("fast")], context=LLMContext(tools=[fast]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
        rig.clock.advance(10)
        await rig.settle()
        assert rig.all_of(TTSSpeakFrame) == []


async def test_a_call_that_is_given_up_is_not_bridged() -> None:
    function = Slow()
    slow = tool(progress="Let me look.")(function.slow)
    llm = ScriptedLLM([call("slow")], context=LLMContext(tools=[slow]))
    async with running(llm) as rig:
        await rig.send(heard())
        await once(function.began)
        await rig.send(InterruptionFrame())
        await rig.wait_for(FunctionCallCancelFrame)
        rig.clock.advance(10)
        await rig.settle()
        assert rig.all_of(TTSSpeakFrame) == []


async def test_a_tool_without_a_handler_runs_in_the_client() -> None:
    schema = FunctionSchema("open_page", "Open a page.", {"page": {"type": "string"}}, ["page"])
    llm = ScriptedLLM([call("open_page", page="cart")], context=LLMContext(tools=[schema]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(FunctionCallInProgressFrame)
        stray = FunctionCallResultFrame("open_page", "other", {}, "stray")
        await rig.send(stray)
        await rig.settle()
        assert rig.all_of(FunctionCallResultFrame) == [stray], "another's result goes on"
        await rig.send(FunctionCallResultFrame("open_page", "a", {}, {"is_open": True}))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ['{"is_open": true}']


async def test_a_clients_result_cannot_answer_for_a_function_of_the_bots() -> None:
    function = Slow()
    llm = ScriptedLLM([call("slow")], context=LLMContext(tools=[function.slow]))
    async with running(llm) as rig:
        await rig.send(heard())
        await once(function.began)
        await rig.send(FunctionCallResultFrame("slow", "a", {}, "forged"))
        await rig.settle()
        assert results(llm.messages) == [IN_PROGRESS]
        function.may_return.set()
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ["found"]


async def test_nothing_of_one_callers_calls_reaches_the_next() -> None:
    function = Slow()
    slow = tool(cancel_on_interruption=False, progress="Let me look.")(function.slow)
    llm = ScriptedLLM([call("slow")], ["Welcome."], context=LLMContext(tools=[slow]))
    async with running(llm) as rig:
        await rig.send(heard("My order?"))
        await once(function.began)
        await rig.send(ClientDisconnectedFrame(), ClientConnectedFrame())
        await once(function.was_cancelled)
        rig.clock.advance(10)
        await rig.settle()
        assert rig.all_of(TTSSpeakFrame) == []
        assert rig.all_of(FunctionCallResultFrame) == []
        assert llm.messages == []
        await rig.send(heard("Hello."))
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert llm.asked[1] == [{"role": "user", "content": "Hello."}]


async def test_more_calls_than_may_run_are_refused() -> None:
    function = Slow()
    llm = ScriptedLLM(
        [call("slow", str(number)) for number in range(MAX_CALLS + 1)],
        context=LLMContext(tools=[function.slow]),
    )
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(FunctionCallInProgressFrame, MAX_CALLS)
        assert f"{MAX_CALLS} functions run already" in results(llm.messages)[-1]
        function.may_return.set()
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1])[:-1] == ["found"] * MAX_CALLS


async def test_a_huge_result_is_cut_and_the_model_told() -> None:
    async def read() -> str:
        return "x" * (MAX_RESULT_CHARS + 5)

    llm = ScriptedLLM([call("read")], context=LLMContext(tools=[read]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    (result,) = results(llm.asked[1])
    assert result.endswith(f"… (cut: {MAX_RESULT_CHARS + 5} characters)")
    assert len(result) < MAX_RESULT_CHARS + 50


async def test_a_result_that_json_cannot_hold_is_an_error_to_the_model() -> None:
    async def odd() -> Any:
        loop: list[Any] = []
        loop.append(loop)
        return loop

    llm = ScriptedLLM([call("odd")], context=LLMContext(tools=[odd]))
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert "error" in json.loads(results(llm.asked[1])[0])


async def test_calls_without_an_id_of_their_own_get_one() -> None:
    async def echo(word: str) -> str:
        return word

    llm = ScriptedLLM(
        [call("echo", "", word="one"), call("echo", "x", word="two"), call("echo", "x", word="3")],
        context=LLMContext(tools=[echo]),
    )
    async with running(llm) as rig:
        await rig.send(heard())
        await rig.wait_for(LLMFullResponseEndFrame, 2)
    assert results(llm.asked[1]) == ["one", "two", "3"]
    calling = next(each for each in llm.asked[1] if "tool_calls" in each)
    ids = [each["id"] for each in calling["tool_calls"]]
    assert len(set(ids)) == 3
    assert all(ids)
    assert [each["tool_call_id"] for each in llm.asked[1] if each["role"] == "tool"] == ids
