"""Functions that a language model calls: run beside the conversation, answered into its context."""

import asyncio
import inspect
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

from voicewire.clock import Clock, TimerHandle
from voicewire.context import FunctionSchema, LLMContext
from voicewire.context.tools import PARAMS_NAME
from voicewire.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    Message,
    TTSSpeakFrame,
)
from voicewire.pipeline.owner import TaskOwner, is_being_cancelled

logger = logging.getLogger(__name__)

TIMEOUT_SECS = 30.0
"""Longest run of a function that does not say otherwise."""

MAX_CALLS = 32
"""Calls that run at a time; a model that asks for more is told so."""

MAX_RESULT_CHARS = 100_000
"""A longer result would outgrow any context; it is cut, and the model is told."""

IN_PROGRESS = "IN_PROGRESS"
"""What stands in the context until the result is there: no service takes a call without one."""

CANCELLED = "CANCELLED: the caller spoke before there was a result"


class ToolCall(NamedTuple):
    """What a model asks for.

    Attributes:
        call_id: Its own name for this call.
        function_name: Which function.
        arguments: JSON, as the model wrote it.
    """

    call_id: str
    function_name: str
    arguments: str


@dataclass
class FunctionCallParams:
    """What a handler gets whose first parameter is called `params`.

    Attributes:
        function_name: What was called.
        tool_call_id: The model's own name for this call.
        arguments: By name.
        context: The conversation.
        llm: The service that asked.
        result_callback: Takes the result, where the handler does not return it.
    """

    function_name: str
    tool_call_id: str
    arguments: Mapping[str, Any]
    context: LLMContext
    llm: Any
    result_callback: Callable[..., Any]


@dataclass(eq=False)
class _Group:
    """Calls of one answer: the model is asked again when all of them have ended."""

    context: LLMContext
    num_open: int
    wants_answer: bool = True


@dataclass(eq=False)
class _Call:
    frame: FunctionCallInProgressFrame
    schema: FunctionSchema
    group: _Group
    message: Message
    result: "asyncio.Future[Any]"
    task: "asyncio.Task[None] | None" = None
    progress_timer: TimerHandle | None = None
    run_llm: bool | None = field(default=None)


class FunctionCalls:
    """Runs the calls of one language model's service.

    Args:
        llm: The service, for handlers.
        push: Sends a frame downstream.
        run_again: Called with a context whose calls have all ended: the model is to go on.
        clock: The time.
        tasks: Owns the tasks of the calls.
    """

    def __init__(
        self,
        llm: Any,
        *,
        push: Callable[[Frame], None],
        run_again: Callable[[LLMContext], None],
        clock: Clock,
        tasks: TaskOwner,
    ) -> None:
        self._llm = llm
        self._push = push
        self._run_again = run_again
        self._clock = clock
        self._tasks = tasks
        self._calls: dict[str, _Call] = {}

    @property
    def num_running(self) -> int:
        """Calls without a result."""
        return len(self._calls)

    def start(
        self,
        context: LLMContext,
        asked: Sequence[ToolCall],
        functions: Mapping[str, FunctionSchema],
    ) -> None:
        """Run the calls that an answer asks for, all at once.

        Args:
            context: Where the calls and their results are written.
            asked: What the model asks for.
            functions: By name.
        """
        asked = self._with_own_ids(asked)
        group = _Group(context, num_open=len(asked))
        context.add_message(
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": call.call_id,
                        "type": "function",
                        "function": {"name": call.function_name, "arguments": call.arguments},
                    }
                    for call in asked
                ],
            }
        )
        begun: list[_Call] = []
        for call in asked:
            message = {"role": "tool", "tool_call_id": call.call_id, "content": IN_PROGRESS}
            context.add_message(message)
            prepared = self._prepare(call, functions.get(call.function_name), group, message)
            if prepared is not None:
                begun.append(prepared)
        if begun:
            self._push(
                FunctionCallsStartedFrame(
                    [
                        FunctionCallFromLLM(
                            each.frame.function_name,
                            each.frame.tool_call_id,
                            each.frame.arguments,
                            context,
                        )
                        for each in begun
                    ]
                )
            )
        for each in begun:
            self._begin(each)
        self._go_on_if_over(group)

    def take_result(self, frame: FunctionCallResultFrame) -> bool:
        """Take the result of a call that ran in the client; return whether it was awaited."""
        call = self._calls.get(frame.tool_call_id)
        if call is None or call.schema.handler is not None or call.result.done():
            return False
        call.run_llm = frame.run_llm
        call.result.set_result(frame.result)
        return True

    def interrupt(self) -> None:
        """Give up the calls that an interruption gives up."""
        for call in tuple(self._calls.values()):
            if call.schema.cancel_on_interruption:
                self._cancel(call)

    def forget(self) -> None:
        """Give up all calls: the caller has left."""
        for call in tuple(self._calls.values()):
            self._cancel(call)

    def _prepare(
        self, asked: ToolCall, schema: FunctionSchema | None, group: _Group, message: Message
    ) -> _Call | None:
        fault = None
        arguments: Any = None
        if schema is None:
            fault = f"there is no function {asked.function_name!r}"
        elif len(self._calls) >= MAX_CALLS:
            fault = f"{MAX_CALLS} functions run already; call it later"
        else:
            try:
                arguments = _parse(asked.arguments)
                schema.check(arguments)
            except Exception as exc:  # noqa: BLE001 - the program's own validators run in it
                fault = str(exc) or type(exc).__name__
        if fault is not None or schema is None:
            logger.warning("function call refused: %s", fault)
            message["content"] = _error(fault or "")
            group.num_open -= 1
            return None
        frame = FunctionCallInProgressFrame(
            asked.function_name, asked.call_id, arguments, schema.cancel_on_interruption
        )
        result = asyncio.get_running_loop().create_future()
        call = self._calls[asked.call_id] = _Call(frame, schema, group, message, result)
        return call

    def _with_own_ids(self, asked: Sequence[ToolCall]) -> list[ToolCall]:
        """Return the calls, each with an id that no other has: some servers give none, or one."""
        taken = set(self._calls)
        own: list[ToolCall] = []
        for call in asked:
            if not call.call_id or call.call_id in taken:
                call = call._replace(call_id=f"call_{uuid4().hex}")
            taken.add(call.call_id)
            own.append(call)
        return own

    def _begin(self, call: _Call) -> None:
        self._push(call.frame)
        if call.schema.progress is not None:
            text = call.schema.progress
            call.progress_timer = self._clock.call_later(
                call.schema.progress_after_secs,
                lambda: self._push(TTSSpeakFrame(text, append_to_context=False)),
            )
        call.task = self._tasks.create(
            self._run(call), name=f"function call {call.frame.function_name}"
        )

    async def _run(self, call: _Call) -> None:
        timeout_secs = call.schema.timeout_secs or TIMEOUT_SECS
        deadline = asyncio.timeout(timeout_secs)
        try:
            async with deadline:
                content = _to_text(await self._call(call))
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            content = _error("it was cancelled")
            logger.warning("function %s: what it awaited was cancelled", call.frame.function_name)
        except Exception as exc:
            if deadline.expired():
                content = _error(f"no result within {timeout_secs:g} s")
                logger.warning("function %s: no result in time", call.frame.function_name)
            else:
                # The model may well do without; the program's author wants to know.
                content = _error(f"{type(exc).__name__}: {exc}")
                logger.exception("function %s failed", call.frame.function_name)
        # One that has swallowed its cancellation has nothing to say any more.
        if self._calls.get(call.frame.tool_call_id) is call:
            self._end(call, content)

    async def _call(self, call: _Call) -> Any:
        handler = call.schema.handler
        if handler is None:
            return await call.result  # It runs in the client.
        arguments = call.schema.check(call.frame.arguments)
        first = next(iter(inspect.signature(handler).parameters), None)
        if first != PARAMS_NAME:
            return await _call_plainly(handler, arguments)

        async def take(result: Any, *, properties: Any = None) -> None:
            if not call.result.done():
                call.run_llm = getattr(properties, "run_llm", None)
                call.result.set_result(result)

        params = FunctionCallParams(
            call.frame.function_name,
            call.frame.tool_call_id,
            call.frame.arguments,
            call.group.context,
            self._llm,
            take,
        )
        takes_arguments = call.schema.model is not None
        returned = await _call_plainly(handler, arguments if takes_arguments else {}, params)
        if call.result.done():
            return call.result.result()
        return returned

    def _end(self, call: _Call, content: str) -> None:
        self._let_go(call)
        call.message["content"] = content
        frame = call.frame
        self._push(
            FunctionCallResultFrame(
                frame.function_name, frame.tool_call_id, frame.arguments, content, call.run_llm
            )
        )
        call.group.num_open -= 1
        if call.run_llm is False:
            call.group.wants_answer = False
        self._go_on_if_over(call.group)

    def _cancel(self, call: _Call) -> None:
        self._let_go(call)
        if call.task is not None:
            call.task.cancel()
        call.message["content"] = CANCELLED
        call.group.num_open -= 1  # Where others go on, the last of them has the model answer.
        self._push(FunctionCallCancelFrame(call.frame.function_name, call.frame.tool_call_id))

    def _let_go(self, call: _Call) -> None:
        self._calls.pop(call.frame.tool_call_id, None)
        if call.progress_timer is not None:
            call.progress_timer.cancel()

    def _go_on_if_over(self, group: _Group) -> None:
        if group.num_open == 0 and group.wants_answer:
            self._run_again(group.context)


async def _call_plainly(
    handler: Callable[..., Any], arguments: Mapping[str, Any], *params: Any
) -> Any:
    if inspect.iscoroutinefunction(handler):
        return await handler(*params, **arguments)
    # What blocks must not block everybody's voice.
    result = await asyncio.to_thread(handler, *params, **arguments)
    return await result if inspect.isawaitable(result) else result


def _parse(arguments: str) -> dict[str, Any]:
    try:
        given = json.loads(arguments or "{}")
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"the arguments are no JSON: {exc}") from exc
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"the arguments are a {type(given).__name__}; expected a JSON object")
    return given


def _to_text(result: Any) -> str:
    text = result if isinstance(result, str) else json.dumps(result, default=str)
    if len(text) > MAX_RESULT_CHARS:
        text = f"{text[:MAX_RESULT_CHARS]} … (cut: {len(text)} characters)"
    return text


def _error(what: str) -> str:
    return json.dumps({"error": what})
