"""Wire formats: messages of a client to frames and back."""

from voicewire.serializers.asterisk import AsteriskFrameSerializer
from voicewire.serializers.base import FrameSerializer
from voicewire.serializers.call import Call, CallRequest, ProviderRequest, StartAnswer
from voicewire.serializers.exotel import ExotelFrameSerializer
from voicewire.serializers.genesys import GenesysAudioHookSerializer
from voicewire.serializers.plivo import PlivoFrameSerializer
from voicewire.serializers.protobuf import ProtobufFrameSerializer
from voicewire.serializers.raw import RawFrameSerializer
from voicewire.serializers.telnyx import TelnyxFrameSerializer
from voicewire.serializers.twilio import TwilioFrameSerializer
from voicewire.serializers.vonage import VonageFrameSerializer

__all__ = [
    "AsteriskFrameSerializer",
    "Call",
    "CallRequest",
    "ExotelFrameSerializer",
    "FrameSerializer",
    "GenesysAudioHookSerializer",
    "PlivoFrameSerializer",
    "ProtobufFrameSerializer",
    "ProviderRequest",
    "RawFrameSerializer",
    "StartAnswer",
    "TelnyxFrameSerializer",
    "TwilioFrameSerializer",
    "VonageFrameSerializer",
]
