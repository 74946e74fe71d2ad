"""Which audio formats voicewire takes: the bounds that edges check."""

MIN_SAMPLE_RATE = 8000
"""Hertz. Telephone speech; a resampler's work per byte grows without bound below it."""

MAX_SAMPLE_RATE = 192000
"""Hertz. The most that sound cards offer."""

MAX_CHANNELS = 8
"""7.1 surround sound."""


def format_fault(sample_rate: int, num_channels: int) -> str | None:
    """Return what is wrong with a format and what would be right; None for a good one."""
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        return f"sample rate {sample_rate} Hz; expected {MIN_SAMPLE_RATE}..{MAX_SAMPLE_RATE}"
    if not 1 <= num_channels <= MAX_CHANNELS:
        return f"{num_channels} channels; expected 1..{MAX_CHANNELS}"
    return None
