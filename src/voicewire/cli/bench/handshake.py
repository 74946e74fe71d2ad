"""The client's part of the opening handshake, by the sans-I/O core of `websockets`. Pure."""

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Response
from websockets.uri import WebSocketURI

MAX_HEAD_BYTES = 65_536


class RefusedError(Exception):
    """The server answered, but not with an upgrade.

    Attributes:
        status: Of HTTP, such as 503.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class ClientHandshake:
    """One handshake.

    Attributes:
        request: What to send.
    """

    def __init__(self, uri: WebSocketURI) -> None:
        # Without extensions there is no compression, which would be measured too.
        self._protocol = ClientProtocol(uri)
        self._protocol.send_request(self._protocol.connect())
        self.request = b"".join(self._protocol.data_to_send())
        self._head = b""

    def receive(self, data: bytes) -> bytes | None:
        """Return what follows the server's answer, or None while that is not complete.

        Raises:
            RefusedError: The server said no.
            InvalidHandshake: What answers is no WebSocket server.
        """
        self._head += data
        head, blank_line, rest = self._head.partition(b"\r\n\r\n")
        if not blank_line:
            if len(self._head) > MAX_HEAD_BYTES:
                raise InvalidHandshake("an endless answer")
            return None
        status = _status(head)
        if status != 101:
            raise RefusedError(status)
        self._protocol.receive_data(head + blank_line)
        events = self._protocol.events_received()
        fault = self._protocol.handshake_exc
        if fault is not None or not events or not isinstance(events[0], Response):
            raise InvalidHandshake(str(fault or "no answer"))
        return rest


def _status(head: bytes) -> int:
    version, _, rest = head.partition(b" ")
    if not version.startswith(b"HTTP/") or not rest[:3].isdigit():
        raise InvalidHandshake("no HTTP answer")
    return int(rest[:3])
