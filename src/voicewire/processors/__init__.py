"""Steps between the services: mostly inline, and without a model of their own."""

from voicewire.processors.assistant_aggregator import LLMAssistantAggregator
from voicewire.processors.context_pair import LLMContextAggregatorPair
from voicewire.processors.user_aggregator import LLMUserAggregator, LLMUserAggregatorParams

__all__ = [
    "LLMAssistantAggregator",
    "LLMContextAggregatorPair",
    "LLMUserAggregator",
    "LLMUserAggregatorParams",
]
