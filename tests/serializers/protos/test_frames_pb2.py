"""The generated messages: what they are, and that they leave others' messages alone."""

import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool

from voicewire.serializers.protos import frames_pb2

PIPECAT_DESCRIPTOR = bytes.fromhex(
    "0a0c6672616d65732e70726f746f12077069706563617422330a09546578744672616d65120a0a0269641801"
    "20012804120c0a046e616d65180220012809120c0a0474657874180320012809227d0a0d417564696f526177"
    "4672616d65120a0a026964180120012804120c0a046e616d65180220012809120d0a05617564696f18032001"
    "280c12130a0b73616d706c655f7261746518042001280d12140a0c6e756d5f6368616e6e656c731805200128"
    "0d12100a03707473180620012804480088010142060a045f70747322600a125472616e736372697074696f6e"
    "4672616d65120a0a026964180120012804120c0a046e616d65180220012809120c0a04746578741803200128"
    "09120f0a07757365725f696418042001280912110a0974696d657374616d70180520012809221c0a0c4d6573"
    "736167654672616d65120c0a0464617461180120012809222d0a11496e74657272757074696f6e4672616d65"
    "120a0a026964180120012804120c0a046e616d6518022001280922f1010a054672616d6512220a0474657874"
    "18012001280b32122e706970656361742e546578744672616d65480012270a05617564696f18022001280b32"
    "162e706970656361742e417564696f5261774672616d65480012340a0d7472616e736372697074696f6e1803"
    "2001280b321b2e706970656361742e5472616e736372697074696f6e4672616d65480012280a076d65737361"
    "676518042001280b32152e706970656361742e4d6573736167654672616d65480012320a0c696e7465727275"
    "7074696f6e18052001280b321a2e706970656361742e496e74657272757074696f6e4672616d65480042070a"
    "056672616d65620670726f746f33"
)
"""`frames_pb2.DESCRIPTOR.serialized_pb` of Pipecat 1.14.0."""

OLD_PIPECAT = """
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="frames.proto", package="pipecat", syntax="proto3")
frame = file.message_type.add(name="Frame")
text = frame.field.add(name="text", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
"""
"""Stands for a version of Pipecat whose `pipecat.Frame` is not ours."""

OURS = """
from voicewire.frames import TextFrame
from voicewire.serializers import ProtobufFrameSerializer
serializer = ProtobufFrameSerializer()
assert serializer.deserialize(serializer.serialize(TextFrame("hi"))).text == "hi"
"""


def test_the_descriptor_without_opus_is_pipecats_to_the_byte() -> None:
    file = descriptor_pb2.FileDescriptorProto.FromString(frames_pb2.DESCRIPTOR.serialized_pb)
    (opus,) = (each for each in file.message_type if each.name == "OpusFrame")
    file.message_type.remove(opus)
    (frame,) = (each for each in file.message_type if each.name == "Frame")
    assert frame.field.pop().name == "opus"
    assert file.SerializeToString() == PIPECAT_DESCRIPTOR


def test_the_default_pool_is_left_to_pipecat() -> None:
    assert frames_pb2.DESCRIPTOR.pool is not descriptor_pool.Default()


def test_another_version_of_pipecat_may_be_imported_before() -> None:
    subprocess.run([sys.executable, "-c", OLD_PIPECAT + OURS], check=True)


def test_another_version_of_pipecat_may_be_imported_after() -> None:
    subprocess.run([sys.executable, "-c", OURS + OLD_PIPECAT], check=True)
