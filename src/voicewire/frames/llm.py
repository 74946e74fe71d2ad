"""Language models: contexts, answers and function calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voicewire.frames.base import ControlFrame, DataFrame, SystemFrame, UninterruptibleFrame

Message = dict[str, Any]
"""One message of a conversation in OpenAI's form: `{"role": "user", "content": "Hello."}`."""


@dataclass(slots=True, eq=False)
class LLMContextFrame(DataFrame):
    """Answer this context.

    Attributes:
        context: Anything with `messages: list[Message]`.
    """

    context: Any


@dataclass(slots=True, eq=False)
class LLMSpeculationFrame(DataFrame):
    """The caller may have finished: begin to answer this context, but say nothing.

    If an `LLMContextFrame` with the same messages follows, what was generated is said at once.

    Attributes:
        context: The conversation as it would be.
    """

    context: Any


@dataclass(slots=True, eq=False)
class LLMMessagesFrame(DataFrame):
    """Begin the conversation anew with these messages, and answer."""

    messages: list[Message]


@dataclass(slots=True, eq=False)
class LLMMessagesAppendFrame(DataFrame):
    """Add messages to the conversation.

    Attributes:
        messages: What to add.
        run_llm: Whether to answer now; None means no.
    """

    messages: list[Message]
    run_llm: bool | None = None


@dataclass(slots=True, eq=False)
class LLMMessagesUpdateFrame(DataFrame):
    """Replace the conversation's messages.

    Attributes:
        messages: What to put in their place.
        run_llm: Whether to answer now; None means no.
    """

    messages: list[Message]
    run_llm: bool | None = None


@dataclass(slots=True, eq=False)
class LLMSetToolsFrame(DataFrame):
    """Offer these functions to the language model from now on.

    Attributes:
        tools: Descriptions of functions, as in `LLMContext(tools=...)`.
        keeps_own: Whether those stay that run in this program.
    """

    tools: Any
    keeps_own: bool = False


@dataclass(slots=True, eq=False)
class LLMSetToolChoiceFrame(DataFrame):
    """Whether the language model may, must or must not call functions from now on.

    Attributes:
        tool_choice: `"auto"`, `"none"`, `"required"`, or a function in OpenAI's form.
    """

    tool_choice: str | dict[str, Any]


@dataclass(slots=True, eq=False)
class LLMRunFrame(DataFrame):
    """Answer the conversation as it stands."""


@dataclass(slots=True, eq=False)
class LLMConfigureOutputFrame(UninterruptibleFrame, ControlFrame):
    """How answers go out from now on.

    Attributes:
        skip_tts: Whether they are only to be read, and not spoken.
    """

    skip_tts: bool


@dataclass(slots=True, eq=False)
class LLMFullResponseStartFrame(ControlFrame):
    """An answer begins."""


@dataclass(slots=True, eq=False)
class LLMFullResponseEndFrame(ControlFrame):
    """The answer is complete."""


@dataclass(slots=True, eq=False)
class FunctionCallFromLLM:
    """One call that a language model asked for.

    Attributes:
        function_name: Which function.
        tool_call_id: The model's own name for this call.
        arguments: By name.
        context: The context in which it asked.
    """

    function_name: str
    tool_call_id: str
    arguments: Mapping[str, Any]
    context: Any


@dataclass(slots=True, eq=False)
class FunctionCallsStartedFrame(SystemFrame):
    """The model has asked for function calls."""

    function_calls: Sequence[FunctionCallFromLLM]


@dataclass(slots=True, eq=False)
class FunctionCallInProgressFrame(UninterruptibleFrame, ControlFrame):
    """A function call runs."""

    function_name: str
    tool_call_id: str
    arguments: Any
    cancel_on_interruption: bool = False


@dataclass(slots=True, eq=False)
class FunctionCallResultFrame(UninterruptibleFrame, DataFrame):
    """A function call has returned."""

    function_name: str
    tool_call_id: str
    arguments: Any
    result: Any
    run_llm: bool | None = None


@dataclass(slots=True, eq=False)
class FunctionCallCancelFrame(SystemFrame):
    """A function call was given up."""

    function_name: str
    tool_call_id: str
