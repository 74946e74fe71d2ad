"""The messages of frames.proto. Written by scripts/generate_protobuf.py: do not edit."""

from google.protobuf import descriptor_pool, message_factory

# Not the default pool: Pipecat's own module registers the same names there.
_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(
    b'\n\x0cframes.proto\x12\x07pipecat"'
    b'3\n\tTextFrame\x12\n\n\x02id\x18\x01 \x01(\x04'
    b'\x12\x0c\n\x04name\x18\x02 \x01(\t\x12\x0c\n\x04text\x18\x03'
    b' \x01(\t"}\n\rAudioRawFrame\x12\n\n'
    b'\x02id\x18\x01 \x01(\x04\x12\x0c\n\x04name\x18\x02 \x01(\t\x12'
    b'\r\n\x05audio\x18\x03 \x01(\x0c\x12\x13\n\x0bsample'
    b'_rate\x18\x04 \x01(\r\x12\x14\n\x0cnum_chann'
    b'els\x18\x05 \x01(\r\x12\x10\n\x03pts\x18\x06 \x01(\x04H\x00'
    b'\x88\x01\x01B\x06\n\x04_pts"`\n\x12Transcrip'
    b'tionFrame\x12\n\n\x02id\x18\x01 \x01(\x04\x12\x0c\n'
    b'\x04name\x18\x02 \x01(\t\x12\x0c\n\x04text\x18\x03 \x01('
    b'\t\x12\x0f\n\x07user_id\x18\x04 \x01(\t\x12\x11\n\tti'
    b'mestamp\x18\x05 \x01(\t"\x1c\n\x0cMessage'
    b'Frame\x12\x0c\n\x04data\x18\x01 \x01(\t"-\n\x11I'
    b'nterruptionFrame\x12\n\n\x02id\x18\x01'
    b' \x01(\x04\x12\x0c\n\x04name\x18\x02 \x01(\t"\x1b\n\tOp'
    b'usFrame\x12\x0e\n\x06packet\x18\x01 \x01(\x0c"'
    b'\x95\x02\n\x05Frame\x12"\n\x04text\x18\x01 \x01(\x0b2'
    b"\x12.pipecat.TextFrameH\x00\x12'\n"
    b'\x05audio\x18\x02 \x01(\x0b2\x16.pipecat.A'
    b'udioRawFrameH\x00\x124\n\rtransc'
    b'ription\x18\x03 \x01(\x0b2\x1b.pipecat.'
    b'TranscriptionFrameH\x00\x12(\n\x07'
    b'message\x18\x04 \x01(\x0b2\x15.pipecat.'
    b'MessageFrameH\x00\x122\n\x0cinterr'
    b'uption\x18\x05 \x01(\x0b2\x1a.pipecat.I'
    b'nterruptionFrameH\x00\x12"\n\x04op'
    b'us\x18d \x01(\x0b2\x12.pipecat.OpusF'
    b'rameH\x00B\x07\n\x05frameb\x06proto3'
)

DESCRIPTOR = _pool.FindFileByName("frames.proto")

TextFrame = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["TextFrame"])
AudioRawFrame = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["AudioRawFrame"])
TranscriptionFrame = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["TranscriptionFrame"])
MessageFrame = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["MessageFrame"])
InterruptionFrame = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["InterruptionFrame"])
OpusFrame = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["OpusFrame"])
Frame = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["Frame"])
