"""OpenAI's form of a conversation in Anthropic's: what it may look like, and that it is valid."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.context import FunctionSchema, LLMContext
from voicewire.frames import Message
from voicewire.services.anthropic_messages import (
    BEGIN,
    GO_ON,
    mark_for_cache,
    to_anthropic,
    to_tools,
)
from voicewire.services.function_calls import IN_PROGRESS

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def system(content: Any) -> Message:
    return {"role": "system", "content": content}


def user(content: Any) -> Message:
    return {"role": "user", "content": content}


def assistant(content: Any) -> Message:
    return {"role": "assistant", "content": content}


def calling(*ids: str, arguments: str = "{}") -> Message:
    calls = [
        {"id": each, "type": "function", "function": {"name": "look", "arguments": arguments}}
        for each in ids
    ]
    return {"role": "assistant", "tool_calls": calls}


def result(call_id: str, content: Any = "done") -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def use(call_id: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "look", "input": arguments}


def answer(call_id: str, content: Any = None) -> dict[str, Any]:
    content = [text("done")] if content is None else content
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


def turns(*messages: Message) -> list[tuple[str, list[Any]]]:
    return [(each["role"], each["content"]) for each in to_anthropic(messages).messages]


def test_system_messages_at_the_head_are_instructions() -> None:
    prompt = to_anthropic([system("Be brief."), {"role": "developer", "content": "Be kind."}])
    assert prompt.system == [text("Be brief."), text("Be kind.")]


def test_a_system_message_further_on_stays_where_it_is() -> None:
    assert turns(user("Hi."), assistant("Hello."), system("Time is up."), user("So?")) == [
        ("user", [text("Hi.")]),
        ("assistant", [text("Hello.")]),
        ("user", [text("<system>Time is up.</system>"), text("So?")]),
    ]


def test_a_bot_that_speaks_first_is_asked_to_begin() -> None:
    assert turns(system("Greet the caller.")) == [("user", [text(BEGIN)])]
    assert turns(assistant("Welcome!"), user("Hi.")) == [
        ("user", [text(BEGIN)]),
        ("assistant", [text("Welcome!")]),
        ("user", [text("Hi.")]),
    ]


def test_a_bot_that_has_spoken_last_is_asked_to_go_on() -> None:
    assert turns(user("Hi."), assistant("Hello."))[-1] == ("user", [text(GO_ON)])


def test_what_one_side_says_without_the_other_is_one_message() -> None:
    assert turns(user("One."), user("Two."), assistant("A."), assistant("B."), user("Three.")) == [
        ("user", [text("One."), text("Two.")]),
        ("assistant", [text("A."), text("B.")]),
        ("user", [text("Three.")]),
    ]


@pytest.mark.parametrize("nothing", ["", "  \n", None, [], [{"type": "text", "text": " "}]])
def test_what_says_nothing_is_dropped(nothing: Any) -> None:
    assert turns(user("One."), assistant(nothing), user(nothing), user("Two.")) == [
        ("user", [text("One."), text("Two.")])
    ]


def test_parallel_calls_are_followed_by_all_their_results() -> None:
    assert turns(
        user("Look."), assistant("Just a moment."), calling("a", "b"), result("b"), result("a")
    ) == [
        ("user", [text("Look.")]),
        ("assistant", [text("Just a moment."), use("a"), use("b")]),
        ("user", [answer("a"), answer("b")]),
    ]


def test_a_result_comes_before_the_words_that_were_said_meanwhile() -> None:
    assert turns(user("Look."), calling("a"), user("Still there?"), result("a")) == [
        ("user", [text("Look.")]),
        ("assistant", [use("a")]),
        ("user", [answer("a"), text("Still there?")]),
    ]


def test_a_call_without_a_result_is_in_progress() -> None:
    assert turns(user("Look."), calling("a"))[-1] == ("user", [answer("a", IN_PROGRESS)])
    assert turns(user("Look."), calling("a"), result("a", ""))[-1] == (
        "user",
        [answer("a", IN_PROGRESS)],
    )


def test_a_result_without_a_call_is_dropped() -> None:
    assert turns(result("gone"), user("Hi.")) == [("user", [text("Hi.")])]


def test_ids_that_come_twice_are_told_apart_and_odd_ones_made_fit() -> None:
    assert turns(
        user("Look."),
        calling("call:0"),
        result("call:0", "one"),
        calling("call:0"),
        result("call:0", "two"),
    )[1:] == [
        ("assistant", [use("call_0")]),
        ("user", [answer("call_0", [text("one")])]),
        ("assistant", [use("call_0_2")]),
        ("user", [answer("call_0_2", [text("two")])]),
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        ("{oops", {"arguments": "{oops"}),
        ("[1]", {"arguments": [1]}),
        ("[" * 100_000, {"arguments": "[" * 100_000}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, expected: Any) -> None:
    assert turns(user("Look."), calling("a", arguments=arguments))[1] == (
        "assistant",
        [use("a", **expected)],
    )


def test_pictures_come_along_from_the_user_and_nobody_else() -> None:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
    ]
    inline = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    linked = {"type": "url", "url": "https://example.org/cat.png"}
    assert turns(user(parts), assistant(parts))[:2] == [
        (
            "user",
            [
                text("What is this?"),
                {"type": "image", "source": inline},
                {"type": "image", "source": linked},
            ],
        ),
        ("assistant", [text("What is this?")]),
    ]


def test_the_conversation_itself_is_left_as_it_was() -> None:
    messages = [system("Be brief."), user("Look."), calling("a"), result("a"), user("And?")]
    before = json.dumps(messages)
    prompt = to_anthropic(messages)
    mark_for_cache({"system": prompt.system, "messages": prompt.messages})
    assert json.dumps(messages) == before


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        (
            {"type": "function", "function": {"name": "look"}},
            {"type": "tool", "name": "look"},
        ),
    ],
)
def test_tools_and_the_choice_among_them_are_told(choice: Any, expected: Any) -> None:
    schema = FunctionSchema("look", "Look it up.", {"word": {"type": "string"}}, ["word"])
    options = to_tools(LLMContext(tools=[schema], tool_choice=choice), [])
    assert options["tools"] == [
        {"name": "look", "description": "Look it up.", "input_schema": schema.parameters}
    ]
    assert options["tool_choice"] == expected


def test_calls_of_a_context_without_tools_name_what_was_called() -> None:
    messages = to_anthropic([user("Look."), calling("a"), result("a")]).messages
    options = to_tools(LLMContext(), messages)
    assert [each["name"] for each in options["tools"]] == ["look"]
    assert options["tool_choice"] == {"type": "none"}
    assert to_tools(LLMContext(), to_anthropic([user("Hi.")]).messages) == {}


def test_the_cache_keeps_the_instructions_and_the_conversation() -> None:
    prompt = to_anthropic([system("Be brief."), user("One."), assistant("A."), user("Two.")])
    options = {"system": prompt.system, "messages": prompt.messages}
    mark_for_cache(options)
    kept = {"cache_control": {"type": "ephemeral"}}
    assert options["system"] == [{**text("Be brief."), **kept}]
    assert prompt.messages[-1]["content"] == [{**text("Two."), **kept}]


# Any conversation.

words = st.text(max_size=5)
parts = st.lists(
    st.one_of(
        words.map(text),
        st.just({"type": "image_url", "image_url": {"url": PIXEL}}),
        st.just({"type": "input_audio"}),
    ),
    max_size=3,
)
content = st.one_of(st.none(), words, parts)
ids = st.sampled_from(["a", "b", "c:1", ""])
messages = st.lists(
    st.one_of(
        st.builds(system, content),
        st.builds(user, content),
        st.builds(assistant, content),
        st.builds(
            lambda given, arguments: calling(*given, arguments=arguments),
            st.lists(ids, min_size=1, max_size=3),
            st.one_of(words, st.just('{"x": 1}')),
        ),
        st.builds(result, ids, content),
    ),
    max_size=12,
)


@given(messages)
def test_any_conversation_becomes_a_valid_one(conversation: list[Message]) -> None:
    prompt = to_anthropic(conversation)
    assert all(block["type"] == "text" and block["text"].strip() for block in prompt.system)
    roles = [message["role"] for message in prompt.messages]
    assert roles == (["user", "assistant"] * len(roles))[: len(roles)]
    assert roles[-1] == "user"
    asked: list[str] = []
    seen: set[str] = set()
    for message in prompt.messages:
        kinds = [block["type"] for block in message["content"]]
        assert kinds
        assert all(b["text"].strip() for b in message["content"] if b["type"] == "text")
        answered = [b["tool_use_id"] for b in message["content"] if b["type"] == "tool_result"]
        assert answered == asked
        assert kinds[: len(answered)] == ["tool_result"] * len(answered)
        asked = [b["id"] for b in message["content"] if b["type"] == "tool_use"]
        if message["role"] == "user":
            assert not asked
        else:
            assert set(kinds) <= {"text", "tool_use"}
        for call_id in asked:
            assert re.fullmatch(r"[a-zA-Z0-9_-]+", call_id)
            assert call_id not in seen
            seen.add(call_id)
    assert asked == []
