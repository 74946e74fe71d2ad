"""The program that `LanguageServer` runs: llama.cpp's HTTP server, alone in a process.

Alone, because in ours it would hold the interpreter's lock while it loads, and wait for ever at the
exit for an answer whose reader has stopped reading.

Run by its path, not as a module: it has no need of the rest of voicewire, and starts the sooner.

Its standard input begins with one line of JSON, the settings, and is then held open: where it ends,
so does this process, however its parent has died. Its standard output is one line of JSON:
``{"url": "http://127.0.0.1:40871"}`` or ``{"error": "…"}``.
"""

import json
import os
import sys
import threading
from typing import Any

_SILENT = -1
"""Below llama.cpp's quietest level: it writes nothing to the console."""


def main() -> None:
    """Serve until standard input ends."""
    report = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # Whatever a library may print must not get between the parent and the report.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    settings = json.loads(sys.stdin.readline())
    try:
        server = start(settings)
        warm_up(server, settings, slot=0)
        answer = {"url": server.listening_address}
    except Exception as exc:  # noqa: BLE001 - the parent is to know of every failure
        answer = {"error": f"{type(exc).__name__}: {exc}"}
    print(json.dumps(answer), file=report, flush=True)
    if "error" in answer:
        os._exit(0)
    # Beside the warming up, which on a busy machine takes a while.
    parent = threading.Thread(target=end_with_parent)
    parent.start()
    for slot in range(1, settings["num_slots"]):
        warm_up(server, settings, slot=slot)
    parent.join()


def end_with_parent() -> None:
    """End the process as soon as standard input ends."""
    sys.stdin.read()
    os._exit(0)  # without waiting for answers that nobody reads any more


def start(settings: dict[str, Any]) -> Any:
    """Return a running `xllamacpp.Server`.

    Args:
        settings: `model_path`, `model_name`, `api_key`, `port` (0 is any), `num_slots`,
            `context_tokens` of each slot, `num_threads`, `prompt_cache_mib`; and `opening`, the
            messages that begin every conversation.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model_path"]
    params.model_alias = {settings["model_name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = settings["port"]
    params.api_keys = [settings["api_key"]]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False  # they would tell what callers said
    params.verbosity = _SILENT
    params.n_gpu_layers = 0
    params.fit_params = False  # measures the memory of GPUs
    params.n_parallel = settings["num_slots"]
    params.n_ctx = settings["num_slots"] * settings["context_tokens"]
    params.cache_ram_mib = settings["prompt_cache_mib"]
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = settings["num_threads"]
        threads.poll = 0  # sleep between tokens rather than spin
        # Batch scheduling on Linux: an event loop that wakes up comes first on a shared core.
        threads.priority = xllamacpp.ggml_sched_priority.GGML_SCHED_PRIO_LOW
    return xllamacpp.Server(params)


def warm_up(server: Any, settings: dict[str, Any], *, slot: int) -> None:
    """Have a slot read how every conversation begins, so that the first one need not wait."""
    server.handle_chat_completions(
        {"messages": settings["opening"], "max_tokens": 1, "id_slot": slot}
    )


if __name__ == "__main__":
    main()
