"""One target under libFuzzer: `python -m fuzz.run TARGET [libFuzzer's arguments]`."""

import logging
import sys

import atheris

with atheris.instrument_imports(include=["voicewire", "websockets"]):
    from fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    name = sys.argv.pop(1)
    logging.disable(logging.INFO)
    atheris.Setup(sys.argv, TARGETS[name]())
    atheris.Fuzz()


if __name__ == "__main__":
    main()
