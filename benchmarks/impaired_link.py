"""A bad network on one machine: two network namespaces, and what lies between them.

Kernels without netem need nothing more than this: each namespace has a TUN device, and this program
carries the packets from one to the other, late, or not at all. Needs root and Linux.
"""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SERVER, CLIENT = f"voicewire-{os.getpid()}-a", f"voicewire-{os.getpid()}-b"
SERVER_IP, CLIENT_IP = "10.8.0.1", "10.8.0.2"

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_MTU = 1400
_MAX_PACKETS_PER_TURN = 64

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Impairment:
    """What happens to each packet, in either direction.

    Attributes:
        delay_secs: Mean of how long it takes.
        jitter_secs: Standard deviation of that.
        loss: The part of them that is lost, 0..1.
        seed: Of the chance.
        is_reordered: Whether packets overtake each other, as their jitter has it.
        bytes_per_sec: What the link carries in each direction; None is everything at once.
        max_queued_secs: How long packets wait for a full link; those that would longer are lost.
    """

    delay_secs: float
    jitter_secs: float
    loss: float
    seed: int = 1
    is_reordered: bool = False
    bytes_per_sec: float | None = None
    max_queued_secs: float = 1.0


def is_possible() -> bool:
    """Whether this machine lets us make network namespaces and TUN devices."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        return False
    name = f"voicewire-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True)
    if made.returncode == 0:
        subprocess.run(["ip", "netns", "delete", name], check=False)
    return made.returncode == 0


def enter_namespace(name: str) -> None:
    """Let what this thread opens from now on be in a namespace."""
    with Path(f"/var/run/netns/{name}").open("rb") as file:
        if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {name}")


@contextlib.contextmanager
def impaired_link(impairment: Impairment) -> Iterator[None]:
    """Make both namespaces, and carry packets between them."""
    with contextlib.ExitStack() as stack:
        for name in (SERVER, CLIENT):
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=False)
            up = ["ip", "-n", name, "link", "set", "lo", "up"]
            subprocess.run(up, check=True)
        a = _open_tun(SERVER, "vw0", SERVER_IP, CLIENT_IP)
        stack.callback(os.close, a)
        b = _open_tun(CLIENT, "vw1", CLIENT_IP, SERVER_IP)
        stack.callback(os.close, b)
        is_over = threading.Event()
        carrier = threading.Thread(target=_carry, args=(a, b, impairment, is_over), daemon=True)
        carrier.start()
        stack.callback(carrier.join)
        stack.callback(is_over.set)
        yield


def _open_tun(namespace: str, device: str, address: str, peer: str) -> int:
    opened: list[int] = []

    def open_there() -> None:
        enter_namespace(namespace)
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH", device.encode(), _IFF_TUN_WITHOUT_HEADER)
        fcntl.ioctl(fd, _TUNSETIFF, request)
        opened.append(fd)

    thread = threading.Thread(target=open_there)
    thread.start()
    thread.join()
    ip = ["ip", "-n", namespace]
    subprocess.run([*ip, "addr", "add", address, "peer", peer, "dev", device], check=True)
    subprocess.run([*ip, "link", "set", device, "up", "mtu", str(_MTU)], check=True)
    return opened[0]


def _carry(a: int, b: int, impairment: Impairment, is_over: threading.Event) -> None:
    chance = random.Random(impairment.seed)
    other = {a: b, b: a}
    latest = {a: 0.0, b: 0.0}
    free_at = {a: 0.0, b: 0.0}
    under_way: list[tuple[float, int, int, bytes]] = []
    number = 0
    poll = select.poll()
    for fd in (a, b):
        poll.register(fd, select.POLLIN)
    while not is_over.is_set():
        now = time.monotonic()
        while under_way and under_way[0][0] <= now:
            *_, to, packet = heapq.heappop(under_way)
            with contextlib.suppress(OSError):
                os.write(to, packet)
        wait_secs = min(0.1, under_way[0][0] - now) if under_way else 0.1
        for fd, _ in poll.poll(max(0.0, wait_secs) * 1000):
            for _ in range(_MAX_PACKETS_PER_TURN):
                try:
                    packet = os.read(fd, 2048)
                except BlockingIOError:
                    break
                if chance.random() < impairment.loss:
                    continue
                sent_at = now = time.monotonic()
                if impairment.bytes_per_sec is not None:
                    begins_at = max(now, free_at[fd])
                    if begins_at - now > impairment.max_queued_secs:
                        continue
                    free_at[fd] = sent_at = begins_at + len(packet) / impairment.bytes_per_sec
                delay_secs = max(0.0, chance.gauss(impairment.delay_secs, impairment.jitter_secs))
                arrives_at = sent_at + delay_secs
                if not impairment.is_reordered:
                    arrives_at = latest[fd] = max(arrives_at, latest[fd])
                number += 1
                heapq.heappush(under_way, (arrives_at, number, other[fd], packet))
