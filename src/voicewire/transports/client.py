"""The connected client, as an application's event handlers get it."""

from collections.abc import Mapping

from voicewire.transports.caller_connection import CallerConnection
from voicewire.transports.identity import Identity


class ClientConnection:
    """A caller's connection: who it is, and the means to write to it past the pipeline."""

    def __init__(self, connection: CallerConnection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        # The query and the headers may hold tokens.
        state = "open" if self.is_open else "closed"
        return f"<ClientConnection {self.id} {self.path!r} {state}>"

    @property
    def id(self) -> str:
        """Unique in this process; used in logs."""
        return self._connection.id

    @property
    def remote_address(self) -> tuple[str, int]:
        """Host and port of the other end of the TCP connection; behind a proxy, the proxy."""
        return self._connection.remote_address

    @property
    def path(self) -> str:
        """The path of the handshake's URL, decoded, without the query."""
        return self._connection.path

    @property
    def headers(self) -> Mapping[str, str]:
        """The handshake's header fields; any case of a name finds them."""
        return self._connection.headers

    @property
    def query(self) -> Mapping[str, str]:
        """The handshake's query, decoded. May hold tokens."""
        return self._connection.query

    @property
    def identity(self) -> Identity | None:
        """Who the caller is, as `authenticate` has found; None where it was not asked."""
        return self._connection.identity

    @property
    def is_open(self) -> bool:
        return self._connection.is_open

    async def send(self, message: bytes | str) -> None:
        """Send a message, waiting while the client takes nothing more.

        Raises:
            SessionClosed: The client has left.
        """
        await self._connection.wait_writable()
        self._connection.send(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and return when it is closed.

        It takes at most `close_timeout_secs`: then TCP is aborted.
        """
        self._connection.close(code, reason)
        await self._connection.wait_closed()
