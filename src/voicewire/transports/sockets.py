"""Listening sockets: bound at once, so that the kernel holds early callers until we accept."""

import asyncio
import contextlib
import errno
import os
import select
import socket

from voicewire.errors import AddressInUseError, ConfigurationError
from voicewire.transports.settings import ListenerSettings

_ATTEMPTS_FOR_A_COMMON_PORT = 16

_FAMILY_ERRORS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
"""This machine does not have that family (IPv6 switched off), which is no reason not to start."""


def bind_sockets(host: str, port: int, settings: ListenerSettings) -> list[socket.socket]:
    """Return listening, non-blocking sockets, one for each address of `host`, on one port.

    Args:
        host: A name or address; "localhost" is both 127.0.0.1 and ::1, "" every interface.
        port: 0 picks one that is free.
        settings: For the backlog and the socket options.

    Raises:
        AddressInUseError: Somebody else listens there.
        ConfigurationError: The host has no address of this machine.
    """
    addresses = _resolve(host)
    attempts = _ATTEMPTS_FOR_A_COMMON_PORT if port == 0 else 1
    while True:
        attempts -= 1
        try:
            return _bind_all(host, addresses, port, settings)
        except AddressInUseError:
            # The port that was free for the first family was taken in the other: pick again.
            if attempts == 0:
                raise


def adopt_socket(sock: socket.socket, settings: ListenerSettings) -> None:
    """Make a socket that somebody else has bound do as ours.

    Raises:
        ConfigurationError: It is none that listens for TCP.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        raise ConfigurationError(
            f"an inherited socket is {sock.family.name} {sock.type.name}; expected one of TCP"
        )
    if hasattr(socket, "SO_ACCEPTCONN") and not sock.getsockopt(
        socket.SOL_SOCKET, socket.SO_ACCEPTCONN
    ):
        raise ConfigurationError(
            f"the inherited socket of port {sock.getsockname()[1]} does not listen; with systemd, "
            "Accept=no in the socket unit"
        )
    sock.setblocking(False)
    _set_tcp_options(sock, settings)


def _resolve(host: str) -> list[tuple[socket.AddressFamily, str]]:
    if host == "localhost":
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    try:
        infos = socket.getaddrinfo(
            host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as exc:
        raise ConfigurationError(f"host {host!r} cannot be resolved: {exc.strerror}") from exc
    return list(dict.fromkeys((info[0], str(info[4][0])) for info in infos))


def _bind_all(
    host: str,
    addresses: list[tuple[socket.AddressFamily, str]],
    port: int,
    settings: ListenerSettings,
) -> list[socket.socket]:
    bound: list[socket.socket] = []
    missing: OSError | None = None
    with contextlib.ExitStack() as undo:
        for family, address in addresses:
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError as exc:
                missing = exc
                continue
            undo.callback(sock.close)
            _set_options(sock, settings)
            try:
                sock.bind((address, port))
                sock.listen(settings.backlog)
            except OSError as exc:
                if exc.errno == errno.EADDRINUSE:
                    raise AddressInUseError(host, port) from exc
                if exc.errno not in _FAMILY_ERRORS:
                    raise
                missing = exc
                sock.close()
                continue
            port = sock.getsockname()[1]
            bound.append(sock)
        if not bound:
            raise ConfigurationError(
                f"host {host!r} is no address of this machine: {missing and missing.strerror}"
            ) from missing
        undo.pop_all()
    return bound


def _set_options(sock: socket.socket, settings: ListenerSettings) -> None:
    sock.setblocking(False)
    if os.name == "posix":
        # Elsewhere SO_REUSEADDR would let two programs share the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if settings.reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    _set_tcp_options(sock, settings)


def _set_tcp_options(sock: socket.socket, settings: ListenerSettings) -> None:
    # Accepted sockets inherit these, so they cost nothing per caller.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    timeout_secs = settings.tcp_user_timeout_secs
    if timeout_secs is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout_secs * 1000))
    lowat_bytes = settings.tcp_notsent_lowat_bytes
    if lowat_bytes is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, lowat_bytes)
    if settings.tcp_congestion_control is not None:
        _set_congestion_control(sock, settings.tcp_congestion_control)
    if settings.receive_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, settings.receive_buffer_bytes)


def _set_congestion_control(sock: socket.socket, name: str) -> None:
    if not hasattr(socket, "TCP_CONGESTION"):
        raise ConfigurationError("tcp_congestion_control can be chosen on Linux only")
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
    except OSError as exc:
        raise ConfigurationError(
            f"tcp_congestion_control={name!r}: {exc.strerror}; this kernel has those of "
            "/proc/sys/net/ipv4/tcp_available_congestion_control"
        ) from exc


def has_hung_up(transport: asyncio.Transport) -> bool:
    """Return whether the peer has closed the connection, or is gone, behind what is unread.

    Only where the system can tell: Linux.
    """
    sock = transport.get_extra_info("socket")
    hung_up = getattr(select, "POLLRDHUP", 0)
    if sock is None or not hung_up or sock.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), hung_up)
    return bool(poll.poll(0))
