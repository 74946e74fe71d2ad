"""Processors that applications place in their pipelines, and filters of text that is spoken."""

from voicewire.processors.audio_recorder import AudioRecorder
from voicewire.processors.background_sound import BackgroundSound, SoundMixer
from voicewire.processors.dtmf_aggregator import DTMFAggregator
from voicewire.processors.text_filters import EmojiFilter, MarkdownTextFilter, TextFilter
from voicewire.processors.transcript_log import TranscriptLog, TranscriptMessage
from voicewire.processors.user_idle import IdleCallback, UserIdleProcessor
from voicewire.processors.wake_phrase import WakePhraseFilter

__all__ = [
    "AudioRecorder",
    "BackgroundSound",
    "DTMFAggregator",
    "EmojiFilter",
    "IdleCallback",
    "MarkdownTextFilter",
    "SoundMixer",
    "TextFilter",
    "TranscriptLog",
    "TranscriptMessage",
    "UserIdleProcessor",
    "WakePhraseFilter",
]
