"""The wires that a server speaks, and at which paths."""

from voicewire.serializers.asterisk import AsteriskFrameSerializer
from voicewire.serializers.base import FrameSerializer
from voicewire.serializers.detect import DetectSerializer
from voicewire.serializers.exotel import ExotelFrameSerializer
from voicewire.serializers.genesys import GenesysAudioHookSerializer
from voicewire.serializers.openai_realtime import OpenAIRealtimeSerializer
from voicewire.serializers.plivo import PlivoFrameSerializer
from voicewire.serializers.protobuf import ProtobufFrameSerializer
from voicewire.serializers.raw import RawFrameSerializer
from voicewire.serializers.telnyx import TelnyxFrameSerializer
from voicewire.serializers.twilio import TwilioFrameSerializer
from voicewire.serializers.vonage import VonageFrameSerializer


def all_dialects() -> dict[str, FrameSerializer]:
    """Return every wire at the path of its name, and at `/detect` whichever it turns out to be.

    They hang up no calls: replace the ones that shall by one with your account's credentials.
    """
    dialects: dict[str, FrameSerializer] = {
        f"/{each.dialect}": each
        for each in (
            TwilioFrameSerializer(),
            TelnyxFrameSerializer(),
            PlivoFrameSerializer(),
            ExotelFrameSerializer(),
            VonageFrameSerializer(),
            GenesysAudioHookSerializer(),
            AsteriskFrameSerializer(),
            RawFrameSerializer(),
        )
    }
    dialects["/v1/realtime"] = OpenAIRealtimeSerializer()
    detect = DetectSerializer([*dialects.values(), ProtobufFrameSerializer()])
    return {**dialects, "/detect": detect}
