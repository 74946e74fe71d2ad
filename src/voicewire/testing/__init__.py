"""Public fakes: what a voice bot's own tests need."""

from voicewire.testing.clock import VirtualClock

__all__ = ["VirtualClock"]
