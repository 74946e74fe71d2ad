"""Public fakes: what a voice bot's own tests need."""

from voicewire.testing.caller import SimulatedCaller
from voicewire.testing.clock import VirtualClock

__all__ = ["SimulatedCaller", "VirtualClock"]
