"""What is kept of a conversation, so that another process can go on with it."""

from voicewire.records.record import SessionRecord
from voicewire.records.redis import RedisSessionStore
from voicewire.records.store import MemorySessionStore, SessionStore

__all__ = [
    "MemorySessionStore",
    "RedisSessionStore",
    "SessionRecord",
    "SessionStore",
]
