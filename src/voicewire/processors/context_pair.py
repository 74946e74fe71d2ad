"""The two ends of a conversation's memory, as a pair."""

from collections.abc import Iterator

from voicewire.context import LLMContext
from voicewire.processors.assistant_aggregator import LLMAssistantAggregator
from voicewire.processors.user_aggregator import LLMUserAggregator, LLMUserAggregatorParams


class LLMContextAggregatorPair:
    """Both aggregators of one context.

    ::

        context = LLMContext([{"role": "system", "content": "You are a pirate."}])
        user, assistant = LLMContextAggregatorPair(context)
        Pipeline(
            [transport.input(), stt, user, llm, tts, transport.output(), assistant]
        )

    Args:
        context: The conversation.
        user_params: How the caller's turns are found.
    """

    def __init__(
        self, context: LLMContext, *, user_params: LLMUserAggregatorParams | None = None
    ) -> None:
        self._user = LLMUserAggregator(context, params=user_params)
        self._assistant = LLMAssistantAggregator(context)

    def user(self) -> LLMUserAggregator:
        """Return the one before the language model."""
        return self._user

    def assistant(self) -> LLMAssistantAggregator:
        """Return the one after the transport's output."""
        return self._assistant

    def __iter__(self) -> Iterator[LLMUserAggregator | LLMAssistantAggregator]:
        return iter((self._user, self._assistant))
