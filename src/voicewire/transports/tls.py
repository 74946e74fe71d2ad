"""TLS on the port: a certificate that may be renewed while the server runs."""

import logging
import os
import ssl
from pathlib import Path

from pydantic import ConfigDict

from voicewire.clock import Clock
from voicewire.errors import ConfigurationError
from voicewire.params import Params

logger = logging.getLogger(__name__)

LOOK_SECS = 1.0
"""How often the files are looked at, at most; only when somebody calls."""


class TLSFiles(Params):
    """Where the certificate of a server is, as certbot and its like write it.

    The files may be replaced while the server runs: those who call from then on see the new
    certificate, open connections go on. Where what is new cannot be used, the old one stays.

    Attributes:
        certificate: PEM: the server's certificate, and those above it (`fullchain.pem`).
        key: PEM: its private key, without a passphrase (`privkey.pem`).
    """

    model_config = ConfigDict(frozen=True)

    certificate: Path
    key: Path


class Certificate:
    """What callers are shown.

    Args:
        files: Where it is.
        clock: The time.

    Raises:
        ConfigurationError: There is none that could be used.
    """

    def __init__(self, files: TLSFiles, *, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._looked_at = clock.now()
        self._stamps = _stamps(files)
        self._context = load_context(files)
        self._is_old = False

    def context(self) -> ssl.SSLContext:
        """Return how to speak TLS with who calls now."""
        now = self._clock.now()
        if now - self._looked_at >= LOOK_SECS:
            self._looked_at = now
            self._renew()
        return self._context

    def _renew(self) -> None:
        stamps = _stamps(self._files)
        is_news = stamps != self._stamps
        if not is_news and not self._is_old:
            return
        self._stamps = stamps
        try:
            self._context = load_context(self._files)
        except ConfigurationError as exc:
            self._is_old = True  # It is tried again: who may read a file does not show in stamps.
            if is_news:
                logger.error("the old certificate stays: %s", exc)
        else:
            self._is_old = False
            logger.info("%s has been read anew", self._files.certificate)


def load_context(files: TLSFiles) -> ssl.SSLContext:
    """Return a context of a server: TLS 1.2 and newer, HTTP/1.1.

    Raises:
        ConfigurationError: A file is not there, or not what it should be, or they do not fit.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path in (files.certificate, files.key):
        if not os.access(path, os.R_OK) or not path.is_file():
            raise ConfigurationError(f"tls: {path} is no file that can be read")

    def refuse_passphrase() -> str:
        raise ConfigurationError(f"tls: {files.key} has a passphrase; expected a key without one")

    try:
        context.load_cert_chain(files.certificate, files.key, refuse_passphrase)
    except ssl.SSLError as exc:
        raise ConfigurationError(
            f"tls: {files.certificate} and {files.key} are no certificate and its key, both in "
            f"PEM: {exc.reason or exc}"
        ) from exc
    except OSError as exc:
        raise ConfigurationError(f"tls: {files.certificate}, {files.key}: {exc.strerror}") from exc
    return context


def _stamps(files: TLSFiles) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(_stamp(path) for path in (files.certificate, files.key))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
