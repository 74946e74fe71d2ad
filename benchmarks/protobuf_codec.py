"""Cost of a 640-byte audio message (20 ms at 16 kHz) on the protobuf wire, in and out.

    python benchmarks/protobuf_codec.py

Each figure holds everything from the message to a checked frame, or from a new frame to the
message. "parsed" is the way that messages of a changing shape take through the same serializer;
"protobuf alone" neither checks anything nor makes a frame. Where Pipecat is importable, its
serializer is measured beside ours.
"""

import statistics
import timeit
from collections.abc import Callable, Coroutine
from typing import Any

from voicewire.frames import OutputAudioRawFrame
from voicewire.serializers import ProtobufFrameSerializer
from voicewire.serializers.protos import frames_pb2 as proto

AUDIO = bytes(range(256)) * 2 + bytes(128)
ROUNDS = 25
CALLS = 5000


def audio_message(**label: int) -> bytes:
    content = proto.AudioRawFrame(
        name="audio", audio=AUDIO, sample_rate=16000, num_channels=1, **label
    )
    return proto.Frame(audio=content).SerializeToString()


def ours() -> dict[str, Callable[[], object]]:
    serializer = ProtobufFrameSerializer()
    same, numbered = audio_message(), audio_message(id=7)
    serializer.deserialize(same)

    def protobuf_alone_out() -> bytes:
        message = proto.Frame()
        content = message.audio
        content.id, content.name, content.audio = 7, "OutputAudioRawFrame#7", AUDIO
        content.sample_rate, content.num_channels = 16000, 1
        return message.SerializeToString()

    return {
        "in: voicewire, same shape": lambda: serializer.deserialize(same),
        "in: voicewire, parsed": lambda: serializer.deserialize(numbered),
        "in: protobuf alone": lambda: proto.Frame.FromString(same).audio.audio,
        "out: voicewire": lambda: serializer.serialize(OutputAudioRawFrame(AUDIO, 16000, 1)),
        "out: protobuf alone": protobuf_alone_out,
    }


def pipecats() -> dict[str, Callable[[], object]]:
    try:
        from pipecat.frames.frames import OutputAudioRawFrame as TheirFrame
        from pipecat.serializers.protobuf import ProtobufFrameSerializer as TheirSerializer
    except ImportError:
        return {}
    serializer = TheirSerializer()
    message = audio_message()

    def run(coroutine: Coroutine[Any, Any, object]) -> object:
        try:
            coroutine.send(None)  # never waits: no event loop in the figure
        except StopIteration as done:
            return done.value
        raise AssertionError("the serializer waited for something")

    return {
        "in: Pipecat": lambda: run(serializer.deserialize(message)),
        "out: Pipecat": lambda: run(serializer.serialize(TheirFrame(AUDIO, 16000, 1))),
    }


def main() -> None:
    ways = ours() | pipecats()
    micros: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):  # in turns, so that a slow moment of the machine hits all alike
        for name, way in ways.items():
            micros[name].append(timeit.timeit(way, number=CALLS) / CALLS * 1e6)
    for direction, unit in (("in", "in: voicewire, same shape"), ("out", "out: voicewire")):
        base = statistics.median(micros[unit])
        for name in (name for name in ways if name.startswith(f"{direction}:")):
            cost = statistics.median(micros[name])
            print(f"{name:28}  {cost:5.2f} µs  {cost / base:5.2f}x")


if __name__ == "__main__":
    main()
