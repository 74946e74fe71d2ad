"""Who may come in: ready-made hooks for `authenticate`."""

from voicewire.auth.any_of import AnyOf
from voicewire.auth.json_web_tokens import JSONWebTokens
from voicewire.auth.one_time_tokens import OneTimeTokens
from voicewire.auth.static_tokens import StaticTokens

__all__ = ["AnyOf", "JSONWebTokens", "OneTimeTokens", "StaticTokens"]
