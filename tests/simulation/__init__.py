"""A server, its network and its callers in simulated time: `python -m tests.simulation`."""
