"""Public fakes: what a voice bot's own tests need."""

from voicewire.testing.caller import SimulatedCaller
from voicewire.testing.clock import VirtualClock
from voicewire.testing.phone import SimulatedPhone
from voicewire.testing.phone_lines import (
    AsteriskLine,
    ExotelLine,
    GenesysLine,
    PhoneLine,
    PlivoLine,
    TelnyxLine,
    TwilioLine,
    VonageLine,
)

__all__ = [
    "AsteriskLine",
    "ExotelLine",
    "GenesysLine",
    "PhoneLine",
    "PlivoLine",
    "SimulatedCaller",
    "SimulatedPhone",
    "TelnyxLine",
    "TwilioLine",
    "VirtualClock",
    "VonageLine",
]
