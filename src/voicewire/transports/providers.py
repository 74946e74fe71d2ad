"""What providers of telephone calls ask of the server before a call is connected."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from voicewire.serializers import FrameSerializer, ProviderRequest
from voicewire.transports.handshake import HandshakeRequest, Rejection

if TYPE_CHECKING:
    from voicewire.transports.params import WebsocketParams, WebsocketServerParams

MAX_BODY_BYTES = 64 * 1024
MAX_FIELDS = 200

NOT_GENUINE = "this has not been signed by the provider"


def refuse_stranger(params: "WebsocketParams", request: HandshakeRequest) -> Rejection | None:
    """Return how to refuse the opening of a connection that its provider should have signed."""
    serializer = _wire_of(params, request)
    asked = ProviderRequest(
        _as_told(params, request.headers, request.target, scheme="wss"),
        request.target,
        {name: request.headers[name] for name in request.headers},
    )
    return None if _is_genuine(serializer, asked) else Rejection(401, NOT_GENUINE)


def is_signed_by_provider(params: "WebsocketParams", request: HandshakeRequest) -> bool:
    """Return whether nobody but a provider can have opened it, as `refuse_stranger` has let it."""
    return _wire_of(params, request).signs_connections


class StartEndpoint:
    """Answers a provider that asks what to do with a call: connect it to this server.

    Args:
        params: Where the server is to be found.
        path: Where calls are connected to.
        serializer: Speaks with the provider.
    """

    def __init__(
        self, params: "WebsocketServerParams", path: str, serializer: FrameSerializer
    ) -> None:
        self._params = params
        self._path = path
        self._serializer = serializer

    async def answer(self, request: Request) -> Response:
        """Answer a GET or a POST."""
        try:
            body = await _read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)  # Nobody gets it.
        if body is None:
            return _refused(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        form = dict(request.query_params)
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            form = dict(_fields(body))
        asked = ProviderRequest(
            _as_told(self._params, request.headers, target, scheme="https"),
            target,
            dict(request.headers.items()),
            form,
            body,
        )
        if not _is_genuine(self._serializer, asked):
            return _refused(401, NOT_GENUINE)
        url = _as_told(self._params, request.headers, self._path, scheme="wss")
        answer = self._serializer.start_answer(url, form)
        if answer is None:
            return _refused(404, "this provider does not ask")
        return Response(answer.body, media_type=answer.content_type)


def _wire_of(params: "WebsocketParams", request: HandshakeRequest) -> FrameSerializer:
    offered = request.headers.tokens("sec-websocket-protocol")
    return params.serializer_for(request.path, offered)


def _is_genuine(serializer: FrameSerializer, request: ProviderRequest) -> bool:
    return serializer.is_genuine(request, now=time.time())


def _as_told(
    params: "WebsocketParams", headers: Mapping[str, str], target: str, *, scheme: str
) -> str:
    """Return a URL as the provider was told it: by the public URL, else as it has called.

    Providers speak TLS; where the server itself does not, a proxy in front of it does.
    """
    public_url = getattr(params, "public_url", None)
    host = urlsplit(public_url).netloc if public_url else headers.get("host", "")
    is_plain = public_url is not None and public_url.startswith("ws:")
    if is_plain:
        scheme = {"wss": "ws", "https": "http"}[scheme]
    return f"{scheme}://{host}{target}"


async def _read_body(request: Request) -> bytes | None:
    """Return the body; None if it is too long."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _fields(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS
        )
    except ValueError:
        return []


def _refused(status: int, why: str) -> JSONResponse:
    return JSONResponse({"detail": why}, status_code=status)
