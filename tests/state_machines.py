"""How long the state machines run: a few seconds, and the same steps in every run."""

from hypothesis import settings

FEW = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
