"""Whose address a caller has who comes through a reverse proxy."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Return whether an address is one of these networks'."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def address_behind(
    proxy: tuple[str, int], forwarded_for: str, trusted: Sequence[Network]
) -> tuple[str, int]:
    """Return the address and port of who calls; behind a proxy the port is not known, and 0."""
    caller = caller_behind(proxy[0], forwarded_for, trusted)
    return proxy if caller == proxy[0] else (caller, 0)


def caller_behind(proxy: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the address of the caller whom a chain of proxies has passed on.

    Each proxy adds to `X-Forwarded-For` whom it was called by. So the caller is the last one in it
    who is no proxy of ours; what stands before that may be anybody's invention.

    Args:
        proxy: Who has connected.
        forwarded_for: The header.
        trusted: The proxies. Nobody else is believed.
    """
    caller = proxy
    for entry in reversed(forwarded_for.split(",")):
        if not is_within(caller, trusted):
            return caller
        address = _without_port(entry.strip())
        if address is None:
            return caller
        caller = address
    return caller


def _without_port(entry: str) -> str | None:
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        return str(ip_address(entry))
    except ValueError:
        return None
