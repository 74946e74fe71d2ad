"""What a caller's opening HTTP request says, before anybody answers it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlsplit

from voicewire.errors import VoicewireError

MAX_QUERY_PARAMETERS = 100

HEAD_END = re.compile(rb"\r?\n\r?\n")
"""The blank line behind a request head; a lone LF counts, as it does for common HTTP servers."""

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/1\.[01]\r?\n")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class BadHandshakeError(VoicewireError, ValueError):
    """A WebSocket handshake that is answered with 400; the message says why."""


class Headers(Mapping[str, str]):
    """HTTP header fields: any case of a name finds it; repeated fields are joined with commas."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self._fields.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        # Values may be cookies and tokens.
        return f"Headers({', '.join(self._fields)})"

    def get_all(self, name: str) -> list[str]:
        """Return the value of each field of this name."""
        return list(self._fields.get(name.lower(), ()))

    def tokens(self, name: str) -> list[str]:
        """Return the comma-separated elements of a field, in lower case and without blanks."""
        return [token.strip().lower() for token in self.get(name, "").split(",")]


@dataclass(frozen=True)
class HandshakeRequest:
    """A WebSocket handshake that waits for an answer."""

    remote_address: tuple[str, int]
    """Who connects: host and port of the other end of the TCP connection."""

    path: str
    """Without the query, percent-decoded."""

    headers: Headers

    query: Mapping[str, str] = field(repr=False)
    """Decoded; the last one wins where a name is repeated. May hold tokens: never log it."""

    target: str = field(default="", repr=False)
    """Path and query as they came. May hold tokens: never log it."""


@dataclass(frozen=True)
class Rejection:
    """The answer to a handshake that is not let in: an HTTP error, before any WebSocket."""

    status: int
    """HTTP status, 400..599."""

    reason: str
    """Told to the caller as `detail` of a JSON body."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Further header fields, such as `{"Retry-After": "5"}`."""


@dataclass(frozen=True)
class RequestHead:
    """A parsed HTTP/1 request head."""

    target: str
    headers: Headers

    @property
    def is_websocket_upgrade(self) -> bool:
        """Whether it asks for WebSocket. Firefox says `Connection: keep-alive, Upgrade`."""
        return "upgrade" in self.headers.tokens("connection") and "websocket" in (
            self.headers.tokens("upgrade")
        )

    def to_handshake_request(self, remote_address: tuple[str, int]) -> HandshakeRequest:
        """Take the request target apart.

        Raises:
            BadHandshakeError: The target is no path, `Host` is missing, or something that has to
                be single is repeated.
        """
        for name in ("Host", "Origin"):
            if len(self.headers.get_all(name)) > 1:
                raise BadHandshakeError(f"more than one {name} header")
        if "host" not in self.headers:
            raise BadHandshakeError("no Host header")
        path, query = _split_target(self.target)
        return HandshakeRequest(remote_address, path, self.headers, query, self.target)


def parse_head(head: bytes) -> RequestHead | None:
    """Return the request head that ends with a blank line, or None where it is malformed.

    A malformed one is for the HTTP protocol to answer; nothing is judged here but the syntax.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        return None
    fields = []
    for raw in head[line.end() :].decode("latin-1").split("\n"):
        raw = raw.removesuffix("\r")
        if not raw:
            break
        name, colon, value = raw.partition(":")
        if not colon or not _FIELD_NAME.fullmatch(name):
            return None
        fields.append((name, value.strip(" \t")))
    return RequestHead(line[2].decode("ascii"), Headers(fields))


def _split_target(target: str) -> tuple[str, Mapping[str, str]]:
    try:
        if target.startswith("/"):
            path, _, query = target.partition("?")
        else:
            # The absolute form, as sent to proxies: http://host/path?query
            parts = urlsplit(target)
            if not parts.scheme or not parts.netloc:
                raise BadHandshakeError("the request target is not a path")
            path, query = parts.path or "/", parts.query
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_PARAMETERS)
    except BadHandshakeError:
        raise
    except ValueError:
        # Not chained into the message: the target may hold tokens.
        raise BadHandshakeError("the request target cannot be understood") from None
    return unquote(path), MappingProxyType(dict(pairs))
