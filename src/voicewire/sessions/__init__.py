"""Many callers: a server that gives each of them a session."""

from voicewire.sessions.ends import EndReason, SessionCounts
from voicewire.sessions.limits import Limits
from voicewire.sessions.server import VoiceServer
from voicewire.sessions.serving import serve
from voicewire.sessions.session import Bot, Session
from voicewire.transports.session import SessionTransport

__all__ = [
    "Bot",
    "EndReason",
    "Limits",
    "Session",
    "SessionCounts",
    "SessionTransport",
    "VoiceServer",
    "serve",
]
