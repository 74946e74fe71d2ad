"""A simulated caller: what it says, what it hears, and how it misbehaves."""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Link, Weather
from voicewire.serializers.protos import frames_pb2 as proto

CHUNK_BYTES = 640
"""20 ms at 16 kHz."""

DEVICE_AUDIO = {"codec": "pcm", "sample_rate": 16000, "frame_ms": 20}


class VirtualCaller:
    """Speaks WebSocket and protobuf over a link of the simulated network.

    Args:
        loop: Where the server is.
        rng: All that is left to chance.
        path: With the query.
        ip: Where it calls from.

    Attributes:
        said: Audio that was sent.
        heard: Streams of audio that came: a flush begins the next.
        close_codes: Of the close frames that came.
        status: Of the answer to the handshake; 0 before it has come.
        has_ended: Whether the server will send nothing more.
    """

    def __init__(self, loop: SimulatedLoop, rng: random.Random, path: str, ip: str) -> None:
        self.said = bytearray()
        self.heard: list[bytearray] = [bytearray()]
        self.close_codes: list[int] = []
        self.status = 0
        self.has_ended = False
        self.told: list[str] = []
        self.weather = Weather(delay_secs=rng.choice((0.0, 0.001, 0.02, 0.15)))
        self._rng = rng
        self._protocol = ClientProtocol(parse_uri(f"ws://localhost:8765{path}"))
        self._link: Link = loop.call(self, ip=ip, weather=self.weather)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._protocol.state is State.OPEN and not self.has_ended

    @property
    def num_losses(self) -> int:
        """How often the server was told that the connection is lost."""
        return self._link.num_losses

    # What it does.

    def shake_hands(self) -> None:
        """Ask for a WebSocket."""
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def send(self, message: bytes | str) -> None:
        """Send a message, as long as that is possible."""
        if self.is_open:
            if isinstance(message, str):
                self._protocol.send_text(message.encode())
            else:
                self._protocol.send_binary(message)
            self._flush()

    def send_bytes(self, data: bytes) -> None:
        """Send what may be anything, in pieces."""
        while data:
            size = self._rng.choice((len(data), self._rng.randint(1, len(data))))
            self._link.send(data[:size])
            data = data[size:]

    def speak(self, pcm: bytes) -> None:
        """Say something: mono s16le at 16 kHz."""
        if self.is_open:
            self.said += pcm
            audio = proto.AudioRawFrame(audio=pcm, sample_rate=16000, num_channels=1)
            self.send(proto.Frame(audio=audio).SerializeToString())

    def tell(self, kind: str, **data: Any) -> None:
        """Send a message of RTVI."""
        text = json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", "data": data})
        message = proto.MessageFrame(data=text)
        self.send(proto.Frame(message=message).SerializeToString())

    def babble(self) -> None:
        """Send a message that no peer should send."""
        junk = self._rng.randbytes(self._rng.randint(0, 60))
        self.send(junk.hex() if self._rng.random() < 0.3 else b"\xff" + junk)

    def break_protocol(self) -> None:
        """Send what is no WebSocket."""
        self.send_bytes(self._rng.choice((b"\x83\x80abcd", b"\x82\x05hello", b"\xff" * 40)))

    def read(self, *, reads: bool) -> None:
        self._link.read(reads=reads)

    def ping(self) -> None:
        if self.is_open:
            self._protocol.send_ping(self._rng.randbytes(4))
            self._flush()

    def hang_up(self) -> None:
        if self.is_open:
            self._protocol.send_close(1000, "bye")
            self._flush()
        else:
            self.reset()

    def fall_silent(self) -> None:
        """Send a FIN, and no close frame."""
        self._link.send_end()

    def reset(self) -> None:
        self._link.reset()

    def vanish(self) -> None:
        """Be cut off: neither side is told."""
        self.weather.is_cut = True

    # What happens to it.

    def received(self, data: bytes) -> None:
        assert not self.has_ended, "bytes behind the end"
        if self._protocol.state is State.CLOSED:
            return  # A refused handshake's body.
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self.status = event.status_code
            elif isinstance(event, Frame):
                self.take(event)
        parser_exc = self._protocol.parser_exc
        assert parser_exc is None, f"the server has sent what is no WebSocket: {parser_exc}"
        self._flush()

    def ended(self, *, is_reset: bool) -> None:
        assert not self.has_ended, "ended twice"
        self.has_ended = True

    def take(self, frame: Frame) -> None:
        """Know what is in a frame."""
        if frame.opcode is Opcode.CLOSE:
            self.close_codes.append(int.from_bytes(frame.data[:2], "big"))
        elif frame.opcode is Opcode.BINARY:
            message = proto.Frame.FromString(bytes(frame.data))
            if message.HasField("audio"):
                self.heard[-1] += message.audio.audio
            elif message.HasField("message"):
                kind = json.loads(message.message.data)["type"]
                self.told.append(kind)
                if kind == "vw-flush":
                    self.heard.append(bytearray())

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.send_bytes(data)
            else:
                self._link.send_end()


class VirtualDevice(VirtualCaller):
    """Speaks the raw wire: a line of JSON, then audio as it is."""

    def speak(self, pcm: bytes) -> None:
        if self.is_open:
            self.said += pcm
            self.send(pcm)

    def tell(self, kind: str, **data: Any) -> None:
        if kind == "client-ready":
            flush = data["voicewire"]["flush"]
            self.send(json.dumps({"type": "hello", "flush": flush, "audio_out": DEVICE_AUDIO}))
        elif kind == "send-text":
            self.send(json.dumps({"type": "text", "text": data["content"]}))
        else:
            self.hang_up()

    def babble(self) -> None:
        # Whatever is binary would be audio.
        self.send(self._rng.randbytes(self._rng.randint(0, 60)).hex())

    def take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            super().take(frame)
        elif frame.opcode is Opcode.BINARY:
            self.heard[-1] += frame.data
        elif frame.opcode is Opcode.TEXT:
            kind = json.loads(bytes(frame.data))["type"]
            self.told.append(kind)
            if kind == "flush":
                self.heard.append(bytearray())


ENDS: Mapping[str, Callable[[VirtualCaller], None]] = {
    "hangs up": VirtualCaller.hang_up,
    "falls silent": VirtualCaller.fall_silent,
    "resets": VirtualCaller.reset,
    "vanishes": VirtualCaller.vanish,
    "breaks the protocol": VirtualCaller.break_protocol,
    "sends the bot away": lambda caller: caller.tell("disconnect-bot"),
    "stays": lambda caller: None,
}
"""How a caller may leave, or not."""
