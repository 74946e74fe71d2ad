"""The conversation."""

import pytest

from voicewire.context import FunctionSchema, LLMContext, ToolsSchema
from voicewire.context.context import MAX_MESSAGES
from voicewire.errors import ConfigurationError
from voicewire.frames import Message


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def look(word: str) -> str:
    """Look it up."""
    return word


def test_a_context_begins_with_copies_of_its_list() -> None:
    opening = [user("Hi.")]
    context = LLMContext(opening)
    context.add_message(user("So?"))
    assert opening == [user("Hi.")]
    assert context.get_messages() == [user("Hi."), user("So?")]
    assert context.get_messages() is context.messages


def test_set_messages_begins_anew_in_the_same_list() -> None:
    context = LLMContext([user("Hi.")])
    messages = context.messages
    context.set_messages([user("Again.")])
    assert messages == [user("Again.")]


def test_set_messages_takes_the_contexts_own_list() -> None:
    context = LLMContext([user("Hi.")])
    context.set_messages(context.messages)
    assert context.messages == [user("Hi.")]


def test_tools_are_functions_or_descriptions_or_a_schema_of_them() -> None:
    context = LLMContext(tools=[look, FunctionSchema("other", "")], tool_choice="auto")
    assert [each.name for each in context.tools.standard_tools] == ["look", "other"]
    assert len(context.tools) == 2
    assert context.tool_choice == "auto"
    context.set_tools(ToolsSchema([FunctionSchema("one", "")]))
    assert [each.name for each in context.tools.standard_tools] == ["one"]
    context.set_tool_choice("none")
    assert context.tool_choice == "none"


def test_two_tools_of_one_name_are_refused_and_the_old_ones_stay() -> None:
    context = LLMContext(tools=[look])
    with pytest.raises(ConfigurationError, match="two tools"):
        context.set_tools([look, look])
    assert len(context.tools) == 1


def test_a_message_is_removed_by_itself_and_not_by_its_likes() -> None:
    one, two = user("Hm."), user("Hm.")
    context = LLMContext([one, two])
    assert context.remove(two) == 1
    assert context.messages[0] is one
    assert context.remove(two) == 0
    assert len(context.messages) == 1


def test_the_oldest_goes_first_and_system_messages_stay() -> None:
    context = LLMContext([{"role": "system", "content": "Be brief."}])
    context.add_messages(user(str(number)) for number in range(MAX_MESSAGES + 4))
    assert len(context.messages) == MAX_MESSAGES
    assert context.messages[0]["role"] == "system"
    assert context.messages[1] == user("5")


def test_a_context_of_nothing_but_system_messages_is_bounded() -> None:
    context = LLMContext()
    context.add_messages({"role": "system", "content": str(n)} for n in range(MAX_MESSAGES + 1))
    assert context.messages[0]["content"] == "1"


def test_a_call_goes_with_its_results() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    context = LLMContext([{"role": "assistant", "tool_calls": [call, {**call, "id": "b"}]}])
    context.add_messages({"role": "tool", "tool_call_id": each, "content": ""} for each in "ab")
    context.add_messages(user(str(number)) for number in range(MAX_MESSAGES - 2))
    assert context.messages[0] == user("0")
    assert len(context.messages) == MAX_MESSAGES - 2
