"""Anthropic's language models."""

import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from voicewire.context import LLMContext
from voicewire.errors import ServiceError
from voicewire.pipeline import ProcessorSetup
from voicewire.services.anthropic_messages import mark_for_cache, to_anthropic, to_tools
from voicewire.services.function_calls import ToolCall
from voicewire.services.keys import ApiKey
from voicewire.services.llm import FIRST_WORD_SECS, LLMService, LLMSettings
from voicewire.services.shared_clients import ClientShare
from voicewire.services.vendor import MAX_RETRIES, import_vendor, telling_plainly

logger = logging.getLogger(__name__)

MAX_TOKENS = 1024
"""Longest answer, which Anthropic wants to be told: some six minutes of speech."""


class AnthropicLLMService(LLMService):
    """Streams Claude's answers, through the official `anthropic` package.

    Args:
        model: Anthropic's name for the model.
        base_url: Where the server is; None is Anthropic itself, or `ANTHROPIC_BASE_URL`.
        api_key: None takes it from the environment variable `ANTHROPIC_API_KEY`.
        temperature: Of sampling; None leaves it to the server.
        max_tokens: Longest answer; the rest of a longer one is not said.
        caches_prompt: Whether Anthropic keeps the conversation so far for the next answer, which
            then begins sooner and costs less, if the two are long and not five minutes apart.
        timeout_secs: Longest wait for the server's next words.
        extra: Further fields of the request, such as `top_p`; not `thinking`, whose blocks the
            conversation does not keep.
        context: The conversation that the service keeps itself, with its tools.
        name: For logs.

    Raises:
        ConfigurationError: There is no key.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = MAX_TOKENS,
        caches_prompt: bool = False,
        timeout_secs: float = FIRST_WORD_SECS,
        extra: Mapping[str, Any] | None = None,
        context: LLMContext | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            settings=LLMSettings(
                model=model,
                temperature=temperature,
                max_tokens=max_tokens,
                extra=dict(extra or {}),
            ),
            context=context,
            first_word_secs=timeout_secs,
            name=name,
        )
        self._api_key = ApiKey(type(self).__name__, api_key, "ANTHROPIC_API_KEY")
        self._base_url = base_url
        self._timeout_secs = timeout_secs
        self._caches_prompt = caches_prompt
        what = ("anthropic", base_url, self._api_key.reveal(), timeout_secs)
        self._share = ClientShare(what, self._make_client)

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await self._share.open()

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._share.close()

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        client = self._share.client
        if client is None:
            raise RuntimeError(f"{self.name} is not part of a running pipeline yet")
        calls: dict[int, _PartialCall] = {}
        is_complete = False
        with telling_plainly(type(self).__name__, self._api_key.reveal()):
            stream = await client.messages.create(stream=True, **self._request(context))
            async with stream:
                async for event in stream:
                    kind = event.type
                    if kind == "content_block_start" and event.content_block.type == "tool_use":
                        calls[event.index] = _PartialCall(event.content_block)
                    elif kind == "content_block_delta" and event.delta.type == "text_delta":
                        if event.delta.text:
                            yield event.delta.text
                    elif kind == "content_block_delta" and event.delta.type == "input_json_delta":
                        calls[event.index].arguments += event.delta.partial_json
                    elif kind == "content_block_stop" and event.index in calls:
                        yield calls[event.index].complete()
                    elif kind == "message_delta" and event.delta.stop_reason == "max_tokens":
                        logger.warning("%s: the answer was cut at max_tokens", self.name)
                    elif kind == "message_stop":
                        is_complete = True
        if not is_complete:  # A proxy may end a stream that its server has dropped.
            raise ServiceError(f"{self.name}: the answer broke off")

    def _make_client(self) -> Any:
        anthropic = import_vendor("anthropic", "anthropic", needed_for=type(self).__name__)
        client = anthropic.AsyncAnthropic(
            base_url=self._base_url,
            api_key=self._api_key.reveal(),
            timeout=self._timeout_secs,
            max_retries=MAX_RETRIES,
        )
        _ = client.messages  # Half of the package is loaded when this is first asked for.
        return client

    def _request(self, context: LLMContext) -> dict[str, Any]:
        settings = self.settings
        prompt = to_anthropic(context.messages)
        request: dict[str, Any] = {
            "model": settings.model,
            "max_tokens": settings.max_tokens or MAX_TOKENS,
            "messages": prompt.messages,
            **to_tools(context, prompt.messages),
        }
        if prompt.system:
            request["system"] = prompt.system
        if self._caches_prompt:
            mark_for_cache(request)
        # Not keywords: the package has only those that its newest models take.
        further = dict(settings.extra)
        if settings.temperature is not None:
            further["temperature"] = settings.temperature
        return {**request, "extra_body": further} if further else request


class _PartialCall:
    """A function call as it streams: the name comes first, the arguments piece by piece."""

    def __init__(self, block: Any) -> None:
        self._block = block
        self.arguments = ""

    def complete(self) -> ToolCall:
        return ToolCall(self._block.id, self._block.name, self.arguments or "{}")
