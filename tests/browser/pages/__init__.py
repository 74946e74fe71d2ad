"""Pages with Pipecat's clients, as the registry has them."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent
ROOT = PAGES.parents[2]


@contextlib.contextmanager
def serving_stock_page(
    version: str, *, host: str = "localhost", enter: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """Build the page of a version, and serve it from a server of its own.

    Args:
        version: One of the directories here.
        host: Where to listen.
        enter: Called in the server's thread before it listens.
    """
    npm = [sys.executable, "scripts/npm.py"]
    build = [*npm, "run", "build", "--workspace", f"{version}-page"]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    handler = partial(_Quiet, directory=PAGES / version / "dist")
    servers: list[ThreadingHTTPServer] = []
    is_ready = threading.Event()

    def run() -> None:
        enter()
        servers.append(ThreadingHTTPServer((host, 0), handler))
        is_ready.set()
        servers[0].serve_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not is_ready.wait(10):
        raise RuntimeError("the server of the page has not started")
    server = servers[0]
    try:
        yield f"http://{host}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Say nothing."""
