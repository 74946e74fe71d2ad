"""What systemd and a service tell each other: sockets that it has opened, and how the service does.

Its protocols are a few environment variables and datagrams, `sd_listen_fds(3)` and `sd_notify(3)`.
"""

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

from voicewire.errors import ConfigurationError

FIRST_FD = 3
"""The first inherited file descriptor (`SD_LISTEN_FDS_START`)."""

Environment = MutableMapping[str, str]


def inherited_sockets(
    environ: Environment = os.environ, *, first_fd: int = FIRST_FD
) -> list[socket.socket]:
    """Return the sockets that systemd has opened for this process; none where it has not.

    The variables that tell of them are removed, so that no child takes them for its own.

    Args:
        environ: Where `LISTEN_PID` and `LISTEN_FDS` may be.
        first_fd: Where the file descriptors begin.

    Raises:
        ConfigurationError: What is told of is no socket.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    told = environ.get("LISTEN_FDS", "")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    if not told.isdecimal():
        raise ConfigurationError(f"LISTEN_FDS is {told!r}; expected the number of sockets")
    sockets = []
    for fd in range(first_fd, first_fd + int(told)):
        try:
            os.set_inheritable(fd, False)
            sockets.append(socket.socket(fileno=fd))
        except OSError as exc:
            raise ConfigurationError(
                f"LISTEN_FDS is {told}, but file descriptor {fd} is no socket: {exc.strerror}"
            ) from exc
    return sockets


class Notifier:
    """Tells the service manager how the service does; silent where there is none that asks.

    Args:
        address: The manager's datagram socket, `@` first for an abstract one; None is nobody.
        watchdog_secs: The manager kills a service that has not said `alive` for so long; None
            where it does not ask.
    """

    def __init__(self, address: str | None = None, watchdog_secs: float | None = None) -> None:
        self._address = None if address is None else _to_path(address)
        self.watchdog_secs = watchdog_secs

    @classmethod
    def from_environment(cls, environ: Environment = os.environ) -> "Notifier":
        """Return what `NOTIFY_SOCKET` and `WATCHDOG_USEC` ask for.

        The variables are removed: only one process speaks for the service.

        Raises:
            ConfigurationError: They make no sense.
        """
        address = environ.pop("NOTIFY_SOCKET", None)
        usec = environ.pop("WATCHDOG_USEC", None)
        pid = environ.pop("WATCHDOG_PID", str(os.getpid()))
        if usec is None or pid != str(os.getpid()):
            return cls(address)
        if not usec.isdecimal() or int(usec) == 0:
            raise ConfigurationError(f"WATCHDOG_USEC is {usec!r}; expected microseconds, from 1")
        return cls(address, int(usec) / 1e6)

    @property
    def alive_every_secs(self) -> float | None:
        """How often to say `alive`: twice as often as is asked for; None is never."""
        return None if self.watchdog_secs is None else self.watchdog_secs / 2

    def ready(self) -> None:
        """Tell that callers are let in, at the start or after a reload."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Tell that the workers are being replaced, until `ready`."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Tell that the service is about to end."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Tell that nothing hangs."""
        self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if self._address is None:
            return
        # A manager that is gone or busy must not harm the callers.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(message.encode(), self._address)


def _to_path(address: str) -> str:
    if address[:1] not in ("/", "@"):
        raise ConfigurationError(
            f"NOTIFY_SOCKET is {address!r}; expected a path, or @ and an abstract name"
        )
    return "\0" + address[1:] if address.startswith("@") else address
