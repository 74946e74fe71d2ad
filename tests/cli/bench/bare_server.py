"""A server that is only a listener: it echoes what it hears, two frames at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voicewire.serializers.protos import frames_pb2 as proto
from voicewire.transports.connection import Connection
from voicewire.transports.listener import Admit, Listener

CHUNK_BYTES = 1280


class Echo:
    """One connection's receiver."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard = b""

    def message_received(self, message: bytes | str) -> None:
        assert isinstance(message, bytes)
        self._heard += proto.Frame.FromString(message).audio.audio
        while len(self._heard) >= CHUNK_BYTES:
            chunk, self._heard = self._heard[:CHUNK_BYTES], self._heard[CHUNK_BYTES:]
            audio = proto.AudioRawFrame(audio=chunk, sample_rate=16000, num_channels=1)
            self._connection.send(proto.Frame(audio=audio).SerializeToString())

    def writing_paused(self) -> None: ...

    def writing_resumed(self) -> None: ...

    def connection_closed(self, code: int, reason: str) -> None: ...


@asynccontextmanager
async def bare_server(admit: Admit | None = None) -> AsyncIterator[Listener]:
    """Run it on a free port; in the end nothing of it is left."""
    listener = Listener(
        host="localhost",
        port=0,
        on_connection=lambda connection: connection.start(Echo(connection)),
        admit=admit,
    )
    await listener.start()
    try:
        yield listener
    finally:
        await listener.close()
        await abort_all(listener)


async def abort_all(listener: Listener) -> None:
    for connection in list(listener.connections):
        connection.abort()
        await connection.wait_closed()
