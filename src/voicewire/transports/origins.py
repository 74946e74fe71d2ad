"""Which web pages may connect. A browser lets any page open a WebSocket to any server."""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def origin_refusal(
    origin: str | None,
    host: str | None,
    allowed_origins: Sequence[str] | None,
    *,
    is_on_loopback: bool,
) -> str | None:
    """Return why the page may not connect, or None where it may.

    A server that only this machine can reach has only this machine's names. A page that calls it
    by another one comes through a reverse proxy, or its author has let that name resolve to
    127.0.0.1 (DNS rebinding), and then its origin equals `Host`: only a list tells the two apart.

    Args:
        origin: The `Origin` header; None for a program that is no browser, which is let in.
        host: The `Host` header, with a port where it is not the scheme's own.
        allowed_origins: As `ListenerSettings.allowed_origins`.
        is_on_loopback: Whether the server listens on nothing but loopback addresses.
    """
    if origin is None:
        return None
    if allowed_origins is not None:
        normal = origin.lower()
        if any(entry == "*" or entry.rstrip("/").lower() == normal for entry in allowed_origins):
            return None
        return f"origin {_shown(origin)} is not in allowed_origins"
    page = _host_and_port(origin, default_scheme=None)
    scheme = origin.partition(":")[0].lower()
    here = _host_and_port(f"//{host}", default_scheme=scheme)
    if page is None or here is None:
        return f"origin {_shown(origin)} is not a web page of this server"
    if is_on_loopback and not is_loopback(here[0]):
        return (
            f"origin {_shown(origin)} calls this server {_shown(host or '')}, which is no name of "
            "loopback, where it listens; behind a reverse proxy, name the page in allowed_origins"
        )
    if page == here or (is_loopback(page[0]) and is_loopback(here[0])):
        return None
    return f"origin {_shown(origin)} is not this server ({_shown(host or '')}); see allowed_origins"


def is_loopback(host: str) -> bool:
    """Return whether a name or an address can mean nothing but the machine itself.

    "localhost" and the names below it are never looked up in the DNS (RFC 6761, 6.3).
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host_and_port(url: str, *, default_scheme: str | None) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme or default_scheme or ""]
    except (ValueError, KeyError):
        # "null", file: and extensions' pages have no port; garbage has nothing at all.
        return None
    return (parts.hostname, port) if parts.hostname else None


def _shown(value: str) -> str:
    """Return a header's value in a form that is safe in a log line and of bounded length."""
    return repr(value[:100])
