"""So many calls by Twilio's wire at a server that echoes: how late is the echo?

python -m benchmarks.twilio_load URL CALLERS SECS. A call is silent but for a tick each second; how
long it takes until the tick comes back is the delay.
"""

import asyncio
import base64
import json
import sys
import time
from typing import cast
from urllib.parse import urlsplit

TEXT, PING, PONG = 0x1, 0x9, 0xA
"""Opcodes of RFC 6455."""

PACKET_SECS = 0.02
TICK_EVERY = 50
"""Packets."""

WARM_UP_SECS = 2.0
"""The first ticks do not count."""

SILENCE, TICK = (base64.b64encode(code * 160).decode() for code in (b"\xff", b"\x90"))
SILENT_SHARE = 0.7
"""Of an answer's characters that are those of silence; a resampler blurs the edges of a tick."""


def _media(payload: str) -> str:
    return json.dumps(
        {
            "event": "media",
            "sequenceNumber": "3",
            "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload},
            "streamSid": "MZ0",
        }
    )


SILENT_MESSAGE, TICK_MESSAGE = _media(SILENCE), _media(TICK)
OPENING = [
    json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}),
    json.dumps(
        {
            "event": "start",
            "sequenceNumber": "1",
            "start": {
                "accountSid": "AC0",
                "streamSid": "MZ0",
                "callSid": "CA0",
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {},
            },
            "streamSid": "MZ0",
        }
    ),
]


class Call(asyncio.Protocol):
    """One call, and how late its ticks came back.

    Written on the socket itself: with a library's client, the core of the callers would be full
    before the server's is.
    """

    def __init__(self, host: str, path: str, ends_at: float, counts_from: float) -> None:
        self.delays: list[float] = []
        self.num_lost = 0
        self._host, self._path = host, path
        self._ends_at, self._counts_from = ends_at, counts_from
        self._loop = asyncio.get_running_loop()
        self._ticked_at: float | None = None
        self._received = bytearray()
        self._is_open = False
        self._number = 0
        self._next_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.WriteTransport", transport)
        self._socket.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.num_lost += self._loop.time() < self._ends_at
        self._ends_at = 0.0

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._is_open:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._socket.abort()
                return
            self._is_open = True
            self._received = rest
            for message in OPENING:
                self._socket.write(_frame(TEXT, message.encode()))
            self._next_at = self._loop.time()
            self._speak()
        while self._take_frame():
            pass

    def _take_frame(self) -> bool:
        received = self._received
        if len(received) < 4:
            return False
        start, size = 2, received[1]
        if size == 126:
            start, size = 4, int.from_bytes(received[2:4])
        if len(received) < start + size:
            return False
        content = bytes(received[start : start + size])
        opcode = received[0] & 0x0F
        del received[: start + size]
        if opcode == PING:
            self._socket.write(_frame(PONG, content))
        elif opcode == TEXT:
            self._hear(content)
        return True

    def _speak(self) -> None:
        """Send the next packet."""
        if self._next_at >= self._ends_at:
            self._socket.abort()
            return
        self._number += 1
        if self._number % TICK_EVERY:
            self._socket.write(SILENT_FRAME)
        else:
            if self._ticked_at is not None and self._ticked_at > self._counts_from:
                self.num_lost += 1
            self._ticked_at = self._loop.time()
            self._socket.write(TICK_FRAME)
        self._next_at += PACKET_SECS
        self._loop.call_at(self._next_at, self._speak)

    def _hear(self, message: bytes) -> None:
        if self._ticked_at is None or b'"media"' not in message:
            return
        begin = message.index(b'"payload"')
        if message.count(b"/", begin) < SILENT_SHARE * (len(message) - begin - 20):
            if self._ticked_at > self._counts_from:
                self.delays.append(self._loop.time() - self._ticked_at)
            self._ticked_at = None


def _frame(opcode: int, content: bytes) -> bytes:
    """Return a client's frame, with a mask of zeros."""
    size = bytes([0x80 | len(content)]) if len(content) < 126 else b"\xfe%b" % _length(content)
    return bytes([0x80 | opcode]) + size + bytes(4) + content


def _length(content: bytes) -> bytes:
    return len(content).to_bytes(2)


SILENT_FRAME, TICK_FRAME = (
    _frame(TEXT, message.encode()) for message in (SILENT_MESSAGE, TICK_MESSAGE)
)


async def main(url: str, callers: int, secs: float) -> None:
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    ramp_secs = min(5.0, callers * 0.02)
    began_at = loop.time()
    counts_from = began_at + ramp_secs + WARM_UP_SECS
    ends_at = counts_from + secs
    calls = []
    for number in range(callers):
        await asyncio.sleep(max(0.0, began_at + ramp_secs * number / callers - loop.time()))
        call = Call(parts.netloc, parts.path, ends_at, counts_from)
        await loop.create_connection(lambda call=call: call, parts.hostname, parts.port)
        calls.append(call)
    cpu_before = time.process_time()
    await asyncio.sleep(max(0.0, ends_at - loop.time()))
    busy = (time.process_time() - cpu_before) / secs
    delays = sorted(delay for each in calls for delay in each.delays)
    p99 = delays[int(0.99 * (len(delays) - 1))] if delays else float("inf")
    report = {
        "callers": callers,
        "p50_ms": round(1000 * delays[len(delays) // 2], 1) if delays else None,
        "p99_ms": round(1000 * p99, 1) if delays else None,
        "ticks": len(delays),
        "lost": sum(each.num_lost for each in calls),
        "callers_busy": round(busy, 2),
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
