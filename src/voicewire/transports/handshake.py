"""What a caller's opening HTTP request says, before anybody answers it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlsplit

from voicewire.errors import VoicewireError

RETRY_AFTER_SECS = 5
"""What a caller is told to wait who is refused for a reason that passes."""

MAX_QUERY_PARAMETERS = 100

HEAD_END = re.compile(rb"\r?\n\r?\n")
"""The blank line behind a request head; a lone LF counts, as it does for common HTTP servers."""

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/1\.[01]\r?\n")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")

OPENAI_KEY = "openai-insecure-api-key."
"""How OpenAI's client in a browser offers its key, beside the subprotocol "realtime"."""

CHALLENGE = "www-authenticate"


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

    method: str = "GET"
    """GET opens a WebSocket; POST asks `/connect` where to open one."""

    @property
    def bearer_token(self) -> str | None:
        """What the caller shows: of `Authorization: Bearer ...`, else of `?token=...`.

        None is nothing. Browsers cannot set the header of a WebSocket; OpenAI's client has its key
        in a subprotocol there. Two headers are none: it is not to be guessed which one counts.
        """
        fields = self.headers.get_all("authorization")
        scheme, _, token = (fields[0] if fields else "").partition(" ")
        if scheme.lower() == "bearer":
            return (token.strip() or None) if len(fields) == 1 else None
        for offered in self.headers.get("sec-websocket-protocol", "").split(","):
            if offered.strip().startswith(OPENAI_KEY):
                return offered.strip().removeprefix(OPENAI_KEY) or None
        return self.query.get("token") or None


@dataclass(frozen=True)
class Rejection:
    """The answer to a handshake that is not let in: an HTTP error, before any WebSocket."""

    status: int
    """HTTP status, 400..599."""

    reason: str
    """Told to the caller as `detail` of a JSON body."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Further header fields, such as `{"Retry-After": "5"}`."""

    def __post_init__(self) -> None:
        """Find what cannot go into an HTTP answer, or would forge another one.

        Raises:
            ValueError: The status is no error's, or a header is none.
        """
        if not 400 <= self.status <= 599:
            raise ValueError(f"status is {self.status}; expected 400..599")
        for name, value in self.headers.items():
            if not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
                raise ValueError(f"the header {name!r} has a name or a value that HTTP forbids")

    def with_challenge(self) -> "Rejection":
        """Return it as HTTP wants it: a 401 says by what one is let in (RFC 9110, 15.5.2)."""
        if self.status != 401 or any(name.lower() == CHALLENGE for name in self.headers):
            return self
        return replace(self, headers={**self.headers, "WWW-Authenticate": "Bearer"})


def try_later(reason: str, *, status: int = 503, secs: int = RETRY_AFTER_SECS) -> Rejection:
    """Return the answer to somebody who may be let in after so many seconds."""
    return Rejection(status, reason, {"Retry-After": str(secs)})


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
