"""The engine's part in the opening handshake: is it valid WebSocket, and what is the answer?"""

import logging
import re
from collections.abc import Sequence
from typing import Any

from websockets.exceptions import InvalidHeader, InvalidMethod
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from voicewire.transports.handshake import Rejection


class _QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """Lets warnings through; the engine's debug lines would show what people say."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the standard library's name
        return level >= logging.WARNING and super().isEnabledFor(level)


_DEFLATE = ServerPerMessageDeflateFactory(
    server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
)
"""It looks 4 KiB back: messages have hundreds of bytes, and what it remembers it has per caller."""

QUIET_LOGGER = _QuietLogger(logging.getLogger(__name__), {})


class Upgrade:
    """One handshake, checked but not yet answered.

    Attributes:
        protocol: The sans-I/O WebSocket protocol; open once `accept` has been called.
        rejection: Why it is not valid; None if it is.
    """

    def __init__(
        self,
        head: bytes,
        *,
        subprotocols: Sequence[str],
        max_message_bytes: int,
        permessage_deflate: bool = False,
    ) -> None:
        """Check a complete request head, blank line included."""
        ours = [Subprotocol(name) for name in subprotocols]
        self.protocol = ServerProtocol(
            extensions=[_DEFLATE] if permessage_deflate else None,
            select_subprotocol=_make_selector(ours),
            max_size=max_message_bytes,
            logger=QUIET_LOGGER,
        )
        self.rejection: Rejection | None = None
        self._response: Response | None = None
        self.protocol.receive_data(head)
        events = self.protocol.events_received()
        if not events or not isinstance(events[0], Request):
            self.rejection = _to_parser_rejection(self.protocol.data_to_send())
            return
        response = self.protocol.accept(events[0])
        if response.status_code == 101:
            self._response = response
        else:
            self.rejection = _to_rejection(response, self.protocol.handshake_exc)

    def accept(self) -> bytes:
        """Open the protocol and return the answer for the wire."""
        if self._response is None:
            raise RuntimeError("a handshake that is not valid cannot be accepted")
        self.protocol.send_response(self._response)
        del self.protocol.select_subprotocol  # Bound to the protocol, which it would keep alive.
        return b"".join(self.protocol.data_to_send())


def _make_selector(ours: Sequence[Subprotocol]) -> Any:
    def select(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return next((name for name in ours if name in offered), None)

    return select


def _to_parser_rejection(writes: Sequence[bytes]) -> Rejection:
    """Return why there was no request at all; for most faults the parser just hangs up."""
    said = re.match(rb"HTTP/1\.1 ([45]\d\d) ", writes[0]) if writes else None
    if said is None:
        return Rejection(400, "the WebSocket handshake is malformed")
    return Rejection(int(said[1]), "a line of the WebSocket handshake is too long")


def _to_rejection(response: Response, exc: Exception | None) -> Rejection:
    kept = {
        name: value
        for name, value in response.headers.raw_items()
        if name.lower() in ("allow", "upgrade")
    }
    if response.status_code == 426:
        kept["Sec-WebSocket-Version"] = "13"
    return Rejection(response.status_code, _words_of(exc), kept)


def _words_of(exc: Exception | None) -> str:
    """Return what is wrong, without the header's value: some put tokens into a subprotocol."""
    if isinstance(exc, InvalidHeader):
        fault = "missing" if exc.value is None else "invalid"
        return f"the WebSocket handshake has a {fault} {exc.name} header"
    if isinstance(exc, InvalidMethod):
        return "a WebSocket is opened by GET"
    return "the WebSocket handshake is not valid"
