"""Every exception that voicewire raises.

::

    VoicewireError
    ├── ConfigurationError (ValueError)      what the program asks for cannot work
    │   ├── MissingExtraError (ImportError)  a package of an extra is not installed
    │   └── ModelFileError                   a model's file is missing or not the one expected
    ├── AddressInUseError (OSError)          the port belongs to somebody else
    ├── ConnectError (OSError)               a server cannot be called, or refuses
    ├── ConnectRefusedError                  a client asked to connect and may not
    ├── FrameDecodeError (ValueError)        the peer sent something wrong
    ├── FrameEncodeError (ValueError)        a frame cannot be put on this wire
    ├── QueueFullError                       a bounded queue refused something
    ├── ServiceError                         a speech or language service failed
    ├── SessionClosed                        the caller left: an end, not a failure
    └── WorkerError                          a server's worker processes cannot start
"""


class VoicewireError(Exception):
    """Base class of voicewire's own exceptions."""


class ConfigurationError(VoicewireError, ValueError):
    """What the program asks for cannot work; the message says what would."""


class MissingExtraError(ConfigurationError, ImportError):
    """A package that belongs to an optional extra is not installed."""

    def __init__(self, package: str, extra: str, *, needed_for: str) -> None:
        """Describe the missing package.

        Args:
            package: The import name that failed.
            extra: The extra of voicewire that installs it.
            needed_for: What cannot be done without it.
        """
        super().__init__(
            f"{needed_for} needs the package {package!r}; "
            f'install it with: pip install "voicewire[{extra}]" '
            f'(in a clone: pip install ".[{extra}]")'
        )
        self.package = package
        self.extra = extra


class ModelFileError(ConfigurationError):
    """A model's file is missing, or its SHA-256 is not the expected one."""


class AddressInUseError(VoicewireError, OSError):
    """Another program listens on the address."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} on {host} is already in use")
        self.host = host
        self.port = port


class ConnectError(VoicewireError, OSError):
    """A server cannot be called, or refuses; the message says which.

    Attributes:
        status: Of its HTTP answer; None where there was none.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ConnectRefusedError(VoicewireError):
    """A client has asked where to connect, and may not.

    Attributes:
        info: Why; the client is told.
        status: Of the HTTP answer.
    """

    def __init__(self, info: str, *, status: int = 403) -> None:
        super().__init__(info)
        self.info = info
        self.status = status


class FrameDecodeError(VoicewireError, ValueError):
    """A message from the peer cannot become a frame.

    The message says what was wrong, where, and what would be right. It never holds the payload.

    Attributes:
        kind: A short, stable name of the fault, such as ``"truncated"``; used as a counter's key.
        offset: Where in the message, in bytes from its start; None where no place is to blame.
    """

    def __init__(self, kind: str, message: str, *, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset})")
        self.kind = kind
        self.offset = offset


class FrameEncodeError(VoicewireError, ValueError):
    """A frame holds something that this wire cannot carry."""


class QueueFullError(VoicewireError):
    """A bounded queue refused something rather than grow.

    Attributes:
        queue: Which queue.
        limit: Its bound, in the queue's own unit.
    """

    def __init__(self, queue: str, limit: float, unit: str) -> None:
        super().__init__(f"{queue} is full ({limit:g} {unit})")
        self.queue = queue
        self.limit = limit


class ServiceError(VoicewireError):
    """A speech or language service failed."""


class SessionClosed(VoicewireError):
    """The caller's connection is gone.

    Attributes:
        code: The WebSocket close code (RFC 6455, section 7.4).
        reason: The peer's or our words for it; may be empty.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"connection closed ({code}{', ' + reason if reason else ''})")
        self.code = code
        self.reason = reason


class WorkerError(VoicewireError):
    """A server's worker processes cannot start; the message says what the first one said."""
