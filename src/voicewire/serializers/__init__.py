"""Wire formats: messages of a client to frames and back."""

from voicewire.serializers.base import FrameSerializer
from voicewire.serializers.protobuf import ProtobufFrameSerializer

__all__ = ["FrameSerializer", "ProtobufFrameSerializer"]
