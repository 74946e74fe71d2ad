"""Steps between the services, mostly inline, and filters of text that is spoken."""

from voicewire.processors.assistant_aggregator import LLMAssistantAggregator
from voicewire.processors.audio_recorder import AudioRecorder
from voicewire.processors.background_sound import BackgroundSound, SoundMixer
from voicewire.processors.context_pair import LLMContextAggregatorPair
from voicewire.processors.dtmf_aggregator import DTMFAggregator
from voicewire.processors.text_filters import EmojiFilter, MarkdownTextFilter
from voicewire.processors.transcript_log import TranscriptLog, TranscriptMessage
from voicewire.processors.user_aggregator import LLMUserAggregator, LLMUserAggregatorParams
from voicewire.processors.user_idle import IdleCallback, UserIdleProcessor
from voicewire.processors.wake_phrase import WakePhraseFilter

__all__ = [
    "AudioRecorder",
    "BackgroundSound",
    "DTMFAggregator",
    "EmojiFilter",
    "IdleCallback",
    "LLMAssistantAggregator",
    "LLMContextAggregatorPair",
    "LLMUserAggregator",
    "LLMUserAggregatorParams",
    "MarkdownTextFilter",
    "SoundMixer",
    "TranscriptLog",
    "TranscriptMessage",
    "UserIdleProcessor",
    "WakePhraseFilter",
]
