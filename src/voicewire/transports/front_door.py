"""The first moments of a TCP connection: read a request head, then hand the socket on."""

import asyncio
import http
import json
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, cast

from voicewire.clock import TimerHandle
from voicewire.transports.connection import Connection
from voicewire.transports.gate import Admission
from voicewire.transports.handshake import (
    HEAD_END,
    BadHandshakeError,
    HandshakeRequest,
    Headers,
    Rejection,
    parse_head,
    try_later,
)
from voicewire.transports.origins import origin_refusal
from voicewire.transports.proxies import address_behind
from voicewire.transports.upgrade import Upgrade

if TYPE_CHECKING:
    from voicewire.transports.listener import Listener

logger = logging.getLogger(__name__)

LINGER_SECS = 2.0
"""How long a refused peer may take to read the answer and hang up."""


class FrontDoor(asyncio.Protocol):
    """One socket that has not yet become a WebSocket connection or an HTTP one.

    It holds at most a request head and what one read brings behind it, and it is gone when the
    handshake deadline has passed, however slowly the bytes trickle in.

    Args:
        listener: Whose door it is.
        arrived_at: When its caller has come, on the listener's clock; None is now.
        said: What another process has read of the socket; None where it has come here.
        refusal: What is to be answered, whatever the request is.
    """

    def __init__(
        self,
        listener: "Listener",
        *,
        arrived_at: float | None = None,
        said: bytes | None = None,
        refusal: Rejection | None = None,
    ) -> None:
        self.ip = ""
        self._listener = listener
        self._arrived_at = listener.clock.now() if arrived_at is None else arrived_at
        self._said = said
        self._refusal = refusal
        self._settings = listener.settings
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._deadline: TimerHandle | None = None
        self._admission: asyncio.Task[None] | None = None
        self._has_head = False
        self._is_refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: uvloop's transports are not derived from asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self.ip = self._remote_address()[0]
        self._listener.door_opened(self)
        clock = self._listener.clock
        due_at = self._arrived_at + self._settings.handshake_timeout_secs
        self._deadline = clock.call_later(max(0.0, due_at - clock.now()), self._deadline_passed)
        if self._listener.num_pending_handshakes > self._settings.max_pending_handshakes:
            self._refuse(try_later("too many handshakes at once", secs=1))
        elif self._listener.is_crowded_by(self.ip):
            why = "too many handshakes at once from your address"
            self._refuse(try_later(why, status=429, secs=1))
        elif self._refusal is not None:
            self._refuse(self._refusal)
        elif self._said is not None:
            # Not at once: uvloop starts to read when this returns, whoever has told it to pause.
            asyncio.get_running_loop().call_soon(self._hear_what_was_said, self._said)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        searched = len(self._buffer)
        self._buffer += data
        limit = self._settings.max_head_bytes
        if self._has_head:
            if len(self._buffer) > limit and self._transport is not None:
                self._transport.pause_reading()  # it waits for its admission; so may its bytes
            return
        blank_line = HEAD_END.search(self._buffer, max(0, searched - 3))
        if (blank_line.end() if blank_line else len(self._buffer)) > limit:
            self._refuse(Rejection(431, f"the request head is longer than {limit} bytes"))
        elif blank_line:
            self._has_head = True
            self._head_received(bytes(self._buffer[: blank_line.end()]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        if self._admission is not None:
            self._admission.cancel()

    def abort(self) -> None:
        """Drop the socket."""
        if self._transport is not None:
            self._transport.abort()

    def _hear_what_was_said(self, said: bytes) -> None:
        if self._transport is not None:
            self.data_received(said)

    def _head_received(self, head: bytes) -> None:
        parsed = parse_head(head)
        if parsed is None or not parsed.is_websocket_upgrade:
            address = (
                self._remote_address() if parsed is None else self._caller_address(parsed.headers)
            )
            self._hand_to_http(address[0])
            return
        upgrade = Upgrade(
            head,
            subprotocols=self._settings.subprotocols,
            max_message_bytes=self._settings.connection.max_message_bytes,
            permessage_deflate=self._settings.permessage_deflate,
        )
        if upgrade.rejection is not None:
            self._refuse(upgrade.rejection)
            return
        try:
            request = parsed.to_handshake_request(self._caller_address(parsed.headers))
        except BadHandshakeError as exc:
            self._refuse(Rejection(400, str(exc)))
            return
        if self._is_handed_over(request):
            return
        del self._buffer[: len(head)]
        refusal = origin_refusal(
            request.headers.get("origin"),
            request.headers["host"],
            self._settings.allowed_origins,
            is_on_loopback=self._listener.is_on_loopback,
        )
        if refusal is not None:
            self._refuse(Rejection(403, refusal))
        elif len(self._listener.connections) >= self._settings.max_connections:
            self._refuse(try_later("too many connections"))
        else:
            self._ask_for_admission(request, upgrade)

    def _is_handed_over(self, request: HandshakeRequest) -> bool:
        """Give the caller to another process, if they want that, and it can be done."""
        hand_over = self._listener.hand_over
        transport = self._transport
        if hand_over is None or transport is None or self._said is not None:
            return False
        if transport.get_extra_info("ssl_object") is not None:
            return False  # The keys of what has been agreed on cannot be handed over.
        try:
            fd = transport.get_extra_info("socket").fileno()
            is_handed_over = hand_over(request, fd, bytes(self._buffer))
        except OSError as exc:
            logger.warning("%s cannot be handed over: %s", self._remote_address(), exc)
            self._refuse(try_later("try again", secs=1))
            return True
        if is_handed_over:
            self._leave()
            transport.abort()  # This process's copy alone: nothing is said to the caller.
        return is_handed_over

    def _ask_for_admission(self, request: HandshakeRequest, upgrade: Upgrade) -> None:
        admit = self._listener.admit
        try:
            answer = None if admit is None else admit(request)
        except Exception as exc:  # noqa: BLE001 - it is logged with its traceback
            self._admission_failed(request, exc)
            return
        if isinstance(answer, Awaitable):
            self._admission = self._listener.spawn(self._await_admission(answer, request, upgrade))
        else:
            self._settle(answer, request, upgrade)

    async def _await_admission(
        self, answer: Awaitable[Admission], request: HandshakeRequest, upgrade: Upgrade
    ) -> None:
        try:
            admission = await answer
        except Exception as exc:  # noqa: BLE001 - it is logged with its traceback
            self._admission_failed(request, exc)
            return
        # From here on nothing waits: who has been admitted reaches on_connection.
        self._settle(admission, request, upgrade)

    def _settle(self, admission: Admission, request: HandshakeRequest, upgrade: Upgrade) -> None:
        transport = self._transport
        if isinstance(admission, Rejection):
            self._refuse(admission)
        elif transport is not None:
            self._leave()
            transport.write(upgrade.accept())
            connection = Connection(
                transport,
                upgrade.protocol,
                request,
                self._settings.connection,
                clock=self._listener.clock,
                identity=admission,
                early_bytes=bytes(self._buffer),
                on_lost=self._listener.connections.discard,
            )
            transport.set_protocol(connection)
            self._listener.welcome(connection)

    def _admission_failed(self, request: HandshakeRequest, exc: Exception) -> None:
        logger.error("admission of %s failed", request.remote_address, exc_info=exc)
        self._refuse(Rejection(500, "the server could not decide about this connection"))

    def _hand_to_http(self, ip: str) -> None:
        http_side = self._listener.http_side
        transport = self._transport
        if http_side is None:
            self._refuse(Rejection(426, "only WebSocket is spoken here", {"Upgrade": "websocket"}))
        elif http_side.num_connections >= self._settings.max_http_connections:
            self._refuse(try_later("too many HTTP connections"))
        elif http_side.is_crowded_by(ip) and self._listener.is_one_caller(ip):
            why = "too many HTTP connections from your address"
            self._refuse(try_later(why, status=429))
        elif transport is not None:
            self._leave()
            http_side.take_over(transport, bytes(self._buffer), ip=ip)

    def _refuse(self, rejection: Rejection) -> None:
        if self._is_refused or self._transport is None:
            return
        self._is_refused = True
        self._buffer.clear()
        # %r: a reason of the application's may repeat what the caller has sent.
        logger.info(
            "refused %s: %d %.300r", self._remote_address(), rejection.status, rejection.reason
        )
        transport = self._transport
        transport.write(_to_bytes(rejection))
        may_linger = self._listener.door_refused(self)
        if transport.can_write_eof() and not transport.is_closing() and may_linger:
            # Not close(): with bytes unread that sends RST, and the peer loses the answer.
            transport.write_eof()
            transport.resume_reading()
        else:
            transport.close()
        self._cancel_deadline()
        self._deadline = self._listener.clock.call_later(LINGER_SECS, self.abort)

    def _deadline_passed(self) -> None:
        self._deadline = None
        if self._admission is not None:
            self._admission.cancel()
            self._refuse(try_later("admission took too long"))
        else:
            self._refuse(Rejection(408, "the request head did not arrive in time"))

    def _leave(self) -> None:
        """Stop being responsible for the socket."""
        self._cancel_deadline()
        self._transport = None
        self._listener.door_closed(self)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _caller_address(self, headers: Headers) -> tuple[str, int]:
        """Return who calls, through a proxy or not."""
        forwarded_for = headers.get("x-forwarded-for", "")
        return address_behind(self._remote_address(), forwarded_for, self._settings.trusted_proxies)

    def _remote_address(self) -> tuple[str, int]:
        peer = self._transport and self._transport.get_extra_info("peername")
        return (str(peer[0]), int(peer[1])) if peer else ("", 0)


def _to_bytes(rejection: Rejection) -> bytes:
    try:
        phrase = http.HTTPStatus(rejection.status).phrase
    except ValueError:
        phrase = "Refused"
    body = json.dumps({"detail": rejection.reason}).encode()
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **rejection.headers,
    }
    lines = [f"HTTP/1.1 {rejection.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body
