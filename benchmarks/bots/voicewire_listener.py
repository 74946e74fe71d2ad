"""The floor of our own: messages come back as they are, without serializer, session or pipeline."""

import asyncio

import uvloop

from benchmarks.bots.process import announce, prepare
from voicewire.transports.connection import Connection
from voicewire.transports.listener import Listener


class Echo:
    """One connection's receiver."""

    def __init__(self, connection: Connection) -> None:
        self.message_received = connection.send

    def writing_paused(self) -> None: ...

    def writing_resumed(self) -> None: ...

    def connection_closed(self, code: int, reason: str) -> None: ...


async def main() -> None:
    listener = Listener(
        host="127.0.0.1",
        port=0,
        on_connection=lambda connection: connection.start(Echo(connection)),
    )
    await listener.start()
    announce(listener.url)
    await asyncio.Event().wait()


if __name__ == "__main__":
    prepare()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
