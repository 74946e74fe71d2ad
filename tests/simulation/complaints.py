"""What a server has logged that it should not have."""

import logging
from typing import Self


class Complaints(logging.Handler):
    """Keeps errors, and whatever has a traceback, while its `with` block runs.

    Attributes:
        texts: What was logged.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.texts.append(self.format(record))

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
