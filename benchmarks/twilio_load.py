"""So many calls by Twilio's wire at a server that echoes: how late is the echo?

python -m benchmarks.twilio_load URL CALLERS SECS. A call is silent but for a tick each second; how
long it takes until the tick comes back is the delay.
"""

import asyncio
import base64
import json
import sys
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

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


class Call:
    """One call, and how late its ticks came back."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.num_lost = 0
        self._ticked_at: float | None = None

    async def run(self, url: str, begins_at: float, ends_at: float, counts_from: float) -> None:
        await asyncio.sleep(max(0.0, begins_at - time.monotonic()))
        async with connect(url, compression=None, open_timeout=30) as socket:
            for message in OPENING:
                await socket.send(message)
            listening = asyncio.ensure_future(self._listen(socket, counts_from))
            next_at, number = time.monotonic(), 0
            try:
                while next_at < ends_at:
                    number += 1
                    if number % TICK_EVERY:
                        await socket.send(SILENT_MESSAGE)
                    else:
                        if self._ticked_at is not None and self._ticked_at > counts_from:
                            self.num_lost += 1
                        self._ticked_at = time.monotonic()
                        await socket.send(TICK_MESSAGE)
                    next_at += PACKET_SECS
                    await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            except ConnectionClosed:
                self.num_lost += 1
            listening.cancel()

    async def _listen(self, socket, counts_from: float) -> None:  # type: ignore[no-untyped-def]
        try:
            async for message in socket:
                if self._ticked_at is None or '"media"' not in message:
                    continue
                begin = message.index('"payload"')
                if message.count("/", begin) < SILENT_SHARE * (len(message) - begin - 20):
                    if self._ticked_at > counts_from:
                        self.delays.append(time.monotonic() - self._ticked_at)
                    self._ticked_at = None
        except ConnectionClosed:
            return


async def main(url: str, callers: int, secs: float) -> None:
    now = time.monotonic()
    ramp_secs = min(5.0, callers * 0.02)
    counts_from = now + ramp_secs + WARM_UP_SECS
    calls = [Call() for _ in range(callers)]
    spread_secs = ramp_secs / callers
    await asyncio.gather(
        *(
            each.run(url, now + number * spread_secs, counts_from + secs, counts_from)
            for number, each in enumerate(calls)
        )
    )
    delays = sorted(delay for each in calls for delay in each.delays)
    p99 = delays[int(0.99 * (len(delays) - 1))] if delays else float("inf")
    report = {
        "callers": callers,
        "p50_ms": round(1000 * delays[len(delays) // 2], 1) if delays else None,
        "p99_ms": round(1000 * p99, 1) if delays else None,
        "ticks": len(delays),
        "lost": sum(each.num_lost for each in calls),
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
