"""A language model on this machine."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

from voicewire.context import LLMContext
from voicewire.frames import Message
from voicewire.pipeline import ProcessorSetup
from voicewire.services.function_calls import ToolCall
from voicewire.services.local.answers import answer
from voicewire.services.local.language import LANGUAGE_MODEL, LanguageServer
from voicewire.services.local.prompt import REQUEST_OPTIONS, ShortAnswer, build_messages
from voicewire.services.openai import OpenAILLMService

GREETING = "Hello! I am the voicewire demo. Ask me something."


class LocalLLMService(OpenAILLMService):
    """SmolLM2-135M, behind answers that need no model: greetings, the time, small sums.

    A demonstration: it brings its own short prompt and takes no other. A conversation without a
    question is answered with a greeting. Replace it with `OpenAILLMService` to get a real one.

    Args:
        name: For logs.
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(model=LANGUAGE_MODEL, extra=REQUEST_OPTIONS, name=name)
        self._server = LanguageServer.shared()

    async def setup(self, setup: ProcessorSetup) -> None:
        await self._server.ready()
        self._client.base_url = self._server.base_url
        self._client.api_key = self._server.api_key
        await super().setup(setup)

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        exchanges, question = split_exchanges(context.messages)
        ready_answer = answer(question, datetime.now().astimezone()) if question else GREETING
        if ready_answer is not None:
            yield ready_answer
            return
        short = ShortAnswer()
        request = LLMContext(build_messages(exchanges, question))
        async with aclosing(super().stream_answer(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str) and (sentences := short.feed(piece)):
                    yield sentences
                if short.is_complete:
                    break
        if rest := short.finish():
            yield rest


def split_exchanges(messages: list[Message]) -> tuple[list[tuple[str, str]], str]:
    """Return what was asked and answered so far, and the question that is open, or `""`.

    What a caller says in several breaths before they are answered is one question.
    """
    exchanges: list[tuple[str, str]] = []
    question: list[str] = []
    for message in messages:
        content = str(message.get("content") or "")
        if message.get("role") == "user":
            question.append(content)
        elif message.get("role") == "assistant" and question:
            exchanges.append((" ".join(question), content))
            question = []
    return exchanges, " ".join(question)
