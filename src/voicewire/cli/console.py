"""What the commands print: lines with a time, and errors of one line."""

import logging
from datetime import datetime

import click

from voicewire.cli.printable import printable
from voicewire.errors import MissingExtraError, VoicewireError

EXIT_FAILED = 1
"""It could not be done: no server, no answer, a port in use, a package missing."""

EXIT_USAGE = 2
"""It was not asked for rightly: a file, an address or a bot that does not exist."""

EXIT_INTERRUPTED = 130
"""Ctrl-C came before the end: 128 + SIGINT, as shells have it."""


class CommandError(click.ClickException):
    """Ends the command with one line on stderr."""

    def __init__(self, message: str, *, exit_code: int = EXIT_FAILED) -> None:
        # A server's words may be in it, such as the reason for which it refuses a call.
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the exception


def as_command_error(error: VoicewireError) -> CommandError:
    """Return the line that tells of an error which is the user's to mend."""
    message = str(error)
    if isinstance(error, MissingExtraError):
        message += " (in a clone of the repository: make serve)"
    return CommandError(message)


def say(line: str) -> None:
    """Print a line with the time of day, at once even into a pipe."""
    click.echo(f"{datetime.now():%H:%M:%S.%f}"[:-3] + f"  {printable(line)}")


def note(line: str) -> None:
    """Print a line about the work before the work, on stderr."""
    click.echo(line, err=True)


def configure_logging(*, verbose: bool) -> None:
    """Print warnings and errors of the library as lines among the others; with `verbose` all."""
    handler = _LineHandler()
    handler.setFormatter(_LineFormatter(with_traceback=verbose))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
    logging.getLogger("voicewire").setLevel(logging.DEBUG if verbose else logging.WARNING)


class _LineHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            note(self.format(record))
        except Exception:  # noqa: BLE001 - as the handlers of the standard library do
            self.handleError(record)


class _LineFormatter(logging.Formatter):
    def __init__(self, *, with_traceback: bool) -> None:
        super().__init__()
        self._with_traceback = with_traceback

    def format(self, record: logging.LogRecord) -> str:
        time = f"{datetime.fromtimestamp(record.created):%H:%M:%S.%f}"[:-3]
        message = record.getMessage()
        cause = record.exc_info[1] if record.exc_info else None
        if cause is not None and not self._with_traceback and str(cause) not in message:
            message += f": {type(cause).__name__}: {cause}"
        line = f"{time}  {record.levelname.lower()}: {printable(message)}"
        if record.exc_info and self._with_traceback:
            traceback = self.formatException(record.exc_info)
            line += "".join(f"\n{printable(part)}" for part in traceback.split("\n"))
        return line
