"""Cost of 20 ms of telephone audio (8 kHz), in and out, on the wires that providers speak.

    python benchmarks/telephony_codec.py

"G.711" is the coding alone. "media" is everything from a provider's message to a checked frame, or
from a new frame to the message: JSON, base64 and the coding. "alone" neither checks anything nor
makes a frame. Where orjson or Pipecat are importable, they are measured beside ours.
"""

import base64
import binascii
import json
import statistics
import timeit
from collections.abc import Callable, Coroutine
from typing import Any

from voicewire.audio.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from voicewire.frames import OutputAudioRawFrame
from voicewire.serializers import AsteriskFrameSerializer, TwilioFrameSerializer
from voicewire.serializers.strict_json import decode_json

CODED = bytes(range(160))
PCM = ulaw_to_pcm(CODED)
ROUNDS = 25
CALLS = 2000
STREAM = "MZ18ad3ab5a668481ce02b83e7395059f0"
MEDIA = json.dumps(
    {
        "event": "media",
        "sequenceNumber": "4",
        "media": {
            "track": "inbound",
            "chunk": "2",
            "timestamp": "5",
            "payload": base64.b64encode(CODED).decode(),
        },
        "streamSid": STREAM,
    }
)

Ways = dict[str, Callable[[], object]]


def ours() -> Ways:
    twilio, asterisk = TwilioFrameSerializer(STREAM), AsteriskFrameSerializer()
    asterisk.deserialize("MEDIA_START connection_id:1 channel:1 format:ulaw ptime:20")
    payload = base64.b64encode(CODED).decode()
    return {
        "G.711 mu-law, there and back": lambda: ulaw_to_pcm(pcm_to_ulaw(PCM)),
        "G.711 A-law, there and back": lambda: alaw_to_pcm(pcm_to_alaw(PCM)),
        "media in: Twilio": lambda: twilio.deserialize(MEDIA),
        "media in: Asterisk, binary": lambda: asterisk.deserialize(CODED),
        "media in: json alone": lambda: base64.b64decode(json.loads(MEDIA)["media"]["payload"]),
        "media in: our JSON alone": lambda: decode_json(MEDIA),
        "media in: base64 alone": lambda: binascii.a2b_base64(payload, strict_mode=True),
        "media out: Twilio": lambda: twilio.serialize(OutputAudioRawFrame(PCM, 8000, 1)),
        "media out: Asterisk, binary": lambda: asterisk.serialize(
            OutputAudioRawFrame(PCM, 8000, 1)
        ),
        "media out: json alone": lambda: json.dumps(_message(base64.b64encode(CODED).decode())),
    }


def with_orjson() -> Ways:
    try:
        import orjson
    except ImportError:
        return {}
    return {
        "media in: orjson alone": lambda: base64.b64decode(orjson.loads(MEDIA)["media"]["payload"]),
        "media out: orjson alone": lambda: orjson.dumps(
            _message(base64.b64encode(CODED).decode())
        ).decode(),
    }


def pipecats() -> Ways:
    try:
        from pipecat.frames.frames import OutputAudioRawFrame as TheirFrame
        from pipecat.serializers.twilio import TwilioFrameSerializer as TheirSerializer
    except ImportError:
        return {}
    params = TheirSerializer.InputParams(auto_hang_up=False)
    serializer = TheirSerializer(STREAM, params=params)
    serializer._sample_rate = 8000  # its setup takes a whole pipeline

    def run(coroutine: Coroutine[Any, Any, object]) -> object:
        try:
            coroutine.send(None)  # never waits: no event loop in the figure
        except StopIteration as done:
            return done.value
        raise AssertionError("the serializer waited for something")

    return {
        "media in: Pipecat's Twilio": lambda: run(serializer.deserialize(MEDIA)),
        "media out: Pipecat's Twilio": lambda: run(serializer.serialize(TheirFrame(PCM, 8000, 1))),
    }


def _message(payload: str) -> dict[str, Any]:
    return {"event": "media", "streamSid": STREAM, "media": {"payload": payload}}


def main() -> None:
    ways = ours() | with_orjson() | pipecats()
    micros: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):  # in turns, so that a slow moment of the machine hits all alike
        for name, way in ways.items():
            micros[name].append(timeit.timeit(way, number=CALLS) / CALLS * 1e6)
    for name in sorted(ways):
        print(f"{name:30}  {statistics.median(micros[name]):6.2f} µs")


if __name__ == "__main__":
    main()
