"""A small language model on this machine: SmolLM2-135M-Instruct on llama.cpp's own HTTP server."""

import atexit
import importlib.util
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from voicewire.errors import MissingExtraError, ServiceError
from voicewire.services.local import language_process
from voicewire.services.local.engine import Engine
from voicewire.services.local.models import LANGUAGE_FILE, verify
from voicewire.services.local.prompt import opening_messages

LANGUAGE_MODEL = "smollm2-135m-instruct"
"""The model's name in requests."""

NUM_SLOTS = 4
"""Answers that are written at the same time; further requests wait inside the server."""

CONTEXT_TOKENS = 1024
"""Of one conversation, its answer included; a longer one is refused with HTTP status 400."""

_PROMPT_CACHE_MIB = 64
"""Conversations whose slot was taken by another one: 23 KB a token, so some ten of them."""

_MAX_THREADS = 4
"""So small a model gains nothing from more."""

_CORES_PER_THREAD = 2
"""Its threads wait for each other spinning, many times a token. Where a core is shared with other
work, as it is with speech recognition, two threads write 2 to 5 tokens a second and one writes 60.
"""

_START_TIMEOUT_SECS = 60.0


class LanguageServer(Engine):
    """An OpenAI-compatible server in a process of its own, on the loopback interface.

    It answers only those who know `api_key`, which is made anew each time: other users of the
    machine, and web pages in a browser on it, can reach the port too. It dies with this process.

    Example::

        server = LanguageServer.shared()
        await server.ready()
        client = AsyncOpenAI(base_url=server.base_url, api_key=server.api_key)
        await client.chat.completions.create(model=LANGUAGE_MODEL, stream=True, ...)
    """

    name = "the language model"

    def __init__(self, *, num_threads: int | None = None, num_slots: int = NUM_SLOTS) -> None:
        """Prepare; nothing is started yet.

        Args:
            num_threads: Cores that write answers; by default half of them, up to 4.
            num_slots: Answers that are written at the same time.
        """
        super().__init__()
        self._num_threads = num_threads or _default_num_threads()
        self._num_slots = num_slots
        self._api_key = secrets.token_urlsafe(24)
        self._url = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def api_key(self) -> str:
        """What a request's ``Authorization: Bearer`` has to hold."""
        return self._api_key

    @property
    def base_url(self) -> str:
        """Where the OpenAI API begins, such as ``http://127.0.0.1:40871/v1``.

        It stays the same for as long as this process lives, even if the server is started again.

        Raises:
            ServiceError: The server has not been started yet.
        """
        if not self._url:
            raise ServiceError(f"{self.name} has not been started; await ready() first")
        return f"{self._url}/v1"

    @property
    def is_loaded(self) -> bool:
        """Whether the server runs. `ready` starts one anew that has died or has been closed."""
        process = self._process
        return super().is_loaded and process is not None and process.poll() is None

    def close(self) -> None:
        """Stop the server; answers that are being written break off. Also done at exit."""
        atexit.unregister(self.close)
        process, self._process = self._process, None
        if process is not None:
            _kill(process)

    def _load_model(self) -> None:
        path = verify(LANGUAGE_FILE)
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtraError("xllamacpp", "local", needed_for=self.name)
        self.close()
        settings = {
            "model_path": str(path),
            "model_name": LANGUAGE_MODEL,
            "api_key": self._api_key,
            "port": int(self._url.rpartition(":")[2]) if self._url else 0,
            "num_slots": self._num_slots,
            "context_tokens": CONTEXT_TOKENS,
            "num_threads": self._num_threads,
            "prompt_cache_mib": _PROMPT_CACHE_MIB,
            "opening": opening_messages(),
        }
        self._process, self._url = _start(settings)
        atexit.register(self.close)


def _default_num_threads() -> int:
    return min(_MAX_THREADS, max(1, (os.cpu_count() or 1) // _CORES_PER_THREAD))


def _start(settings: Mapping[str, object]) -> tuple["subprocess.Popen[str]", str]:
    """Return the server's process and its URL, once it answers.

    Raises:
        ServiceError: It failed, died or took longer than `_START_TIMEOUT_SECS`.
    """
    # -P: the program's folder is ours, and must not come before the standard library.
    program = str(Path(language_process.__file__))
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C in a terminal is for the parent, which may still need it
    )
    overdue = threading.Timer(_START_TIMEOUT_SECS, process.kill)
    overdue.daemon = True
    overdue.start()
    try:
        url = _tell_and_ask(process, settings)
    except (OSError, ServiceError) as exc:
        _kill(process)
        raise ServiceError(f"the language model could not be started: {exc}") from exc
    finally:
        overdue.cancel()
    return process, url


def _tell_and_ask(process: "subprocess.Popen[str]", settings: Mapping[str, object]) -> str:
    """Give the process its settings and return its URL."""
    if process.stdin is None or process.stdout is None:
        raise ServiceError("its process has no pipes")
    process.stdin.write(json.dumps(settings) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise ServiceError(f"its process ended with status {process.wait()}")
    answer = json.loads(line)
    if "url" not in answer:
        raise ServiceError(answer["error"])
    return str(answer["url"])


def _kill(process: "subprocess.Popen[str]") -> None:
    """End the process at once, and give its pipes back. It has nothing to save."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
