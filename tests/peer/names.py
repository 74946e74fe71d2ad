"""Say which names Pipecat does not have. Runs in the peer's Python.

Reads lines of JSON, `[module, name]`, and prints those that cannot be imported.
"""

import importlib
import json
import sys


def main() -> None:
    for line in sys.stdin:
        module, name = json.loads(line)
        try:
            getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            sys.stdout.write(line)


if __name__ == "__main__":
    main()
