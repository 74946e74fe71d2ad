"""A real server under hours of mixed calls and faults, watched from outside and by its own numbers.

`python -m tests.soak --secs 1200` soaks one; `make soak` for hours.
"""
