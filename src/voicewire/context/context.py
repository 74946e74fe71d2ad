"""The conversation."""

from collections.abc import Callable, Iterable
from typing import Any

from voicewire.context.tools import FunctionSchema, ToolsSchema, schema_of
from voicewire.frames import Message

MAX_MESSAGES = 1000
"""The oldest go first, system messages stay. Summarise long before that: see `ContextSummary`."""

Tool = FunctionSchema | Callable[..., Any]


class LLMContext:
    """Messages and tools in OpenAI's form, shared by the processors that read and write them.

    Args:
        messages: How the conversation begins.
        tools: What the model may call: Python functions, or descriptions of functions.
        tool_choice: `"auto"`, `"none"`, `"required"`, or a function; None leaves it to the model.

    Attributes:
        messages: The conversation, oldest first.
        tools: What the model may call.
        tool_choice: As above.
    """

    def __init__(
        self,
        messages: Iterable[Message] = (),
        tools: "ToolsSchema | Iterable[Tool]" = (),
        tool_choice: str | dict[str, Any] | None = None,
    ) -> None:
        self.messages: list[Message] = list(messages)
        self.tool_choice = tool_choice
        self.tools = ToolsSchema()
        self.set_tools(tools)

    def get_messages(self) -> list[Message]:
        """Return the conversation, oldest first."""
        return self.messages

    def add_message(self, message: Message) -> None:
        """Add a message; beyond `MAX_MESSAGES` the oldest goes, with what answers its calls."""
        self.messages.append(message)
        while len(self.messages) > MAX_MESSAGES:
            self._drop_oldest()

    def add_messages(self, messages: Iterable[Message]) -> None:
        """Add several messages."""
        for message in messages:
            self.add_message(message)

    def set_messages(self, messages: Iterable[Message]) -> None:
        """Begin anew with these messages."""
        self.messages[:] = messages

    def remove(self, message: Message) -> int:
        """Take out this message, not one like it; return where it stood, or would stand now."""
        for index, each in enumerate(self.messages):
            if each is message:
                del self.messages[index]
                return index
        return 0

    def set_tools(self, tools: "ToolsSchema | Iterable[Tool]", *, keeps_own: bool = False) -> None:
        """Offer these tools, instead of those so far.

        Args:
            tools: What the model may call.
            keeps_own: Whether those stay that have a handler here; of two with one name, they do.

        Raises:
            ConfigurationError: A function lacks type hints, or two have one name.
        """
        given = tools.standard_tools if isinstance(tools, ToolsSchema) else tools
        own = [each for each in self.tools.standard_tools if each.handler] if keeps_own else []
        taken = {each.name for each in own}
        others = [schema_of(each) for each in given]
        self.tools = ToolsSchema([*own, *(each for each in others if each.name not in taken)])

    def set_tool_choice(self, tool_choice: str | dict[str, Any] | None) -> None:
        """Say whether the model has to call a tool."""
        self.tool_choice = tool_choice

    def _drop_oldest(self) -> None:
        oldest = next((i for i, m in enumerate(self.messages) if m.get("role") != "system"), 0)
        end = oldest + 1
        # Results without the call that asked for them are refused by every service.
        while end < len(self.messages) and self.messages[end].get("role") == "tool":
            end += 1
        del self.messages[oldest:end]
