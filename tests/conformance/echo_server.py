"""What the suite talks with: our listener, each message back as it came.

It writes its URL in a line of its own and serves until its standard input ends::

    .venv/bin/python -m tests.conformance.echo_server --permessage-deflate
"""

import argparse
import asyncio
import sys

import uvloop

from voicewire.transports.connection import Connection
from voicewire.transports.listener import Listener
from voicewire.transports.settings import ConnectionSettings, ListenerSettings

LONGEST_MESSAGE_BYTES = 16 * 2**20
"""What the suite's longest message has (case 9.1.6)."""


class Echo:
    """One connection's receiver."""

    def __init__(self, connection: Connection) -> None:
        self.message_received = connection.send

    def writing_paused(self) -> None: ...
    def writing_resumed(self) -> None: ...
    def connection_closed(self, code: int, reason: str) -> None: ...


async def serve(*, permessage_deflate: bool) -> None:
    listener = Listener(
        host="127.0.0.1",
        port=0,
        on_connection=lambda connection: connection.start(Echo(connection)),
        settings=ListenerSettings(
            connection=ConnectionSettings(max_message_bytes=LONGEST_MESSAGE_BYTES),
            permessage_deflate=permessage_deflate,
        ),
    )
    await listener.start()
    print(listener.url, flush=True)  # noqa: T201 - whoever started this process reads it
    await asyncio.to_thread(sys.stdin.read)
    await listener.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--permessage-deflate", action="store_true")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(permessage_deflate=arguments.permessage_deflate))


if __name__ == "__main__":
    main()
