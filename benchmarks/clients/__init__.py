"""Callers that `voicewire bench` does not have."""
