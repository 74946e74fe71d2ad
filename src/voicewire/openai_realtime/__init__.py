"""A bot that looks like one of OpenAI's realtime models to the clients of that API."""

from voicewire.openai_realtime.visit import RealtimeVisit

__all__ = ["RealtimeVisit"]
