"""Running what was written for other frameworks."""

from voicewire.compat.pipecat import install_as_pipecat

__all__ = ["install_as_pipecat"]
