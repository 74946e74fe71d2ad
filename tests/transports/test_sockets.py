import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from voicewire.errors import AddressInUseError, ConfigurationError
from voicewire.transports.settings import ListenerSettings
from voicewire.transports.sockets import adopt_socket, bind_sockets

SETTINGS = ListenerSettings()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_localhost_is_one_port_in_both_families() -> None:
    sockets = bind_sockets("localhost", 0, SETTINGS)
    try:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        assert len(sockets) == (2 if has_ipv6() else 1)
    finally:
        for sock in sockets:
            sock.close()


def test_a_caller_is_held_by_the_kernel_before_anybody_accepts() -> None:
    (sock,) = bind_sockets("127.0.0.1", 0, SETTINGS)
    with sock, socket.create_connection(sock.getsockname(), timeout=5):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])  # noqa: S104
def test_a_port_that_somebody_listens_on_is_in_use(host: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressInUseError) as caught:
            bind_sockets(host, port, SETTINGS)
    assert (caught.value.host, caught.value.port) == (host, port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_a_configuration_error(host: str) -> None:
    with pytest.raises(ConfigurationError, match=host):
        bind_sockets(host, 0, SETTINGS)


def test_several_processes_may_share_a_port_when_they_all_say_so() -> None:
    shared = ListenerSettings(reuse_port=True)
    (first,) = bind_sockets("127.0.0.1", 0, shared)
    with first:
        (second,) = bind_sockets("127.0.0.1", first.getsockname()[1], shared)
        second.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="not on this platform")
def test_accepted_sockets_inherit_the_options() -> None:
    (sock,) = bind_sockets("127.0.0.1", 0, SETTINGS)
    sock.setblocking(True)
    with sock, socket.create_connection(sock.getsockname(), timeout=5):
        accepted, _ = sock.accept()
        with accepted:
            tcp = socket.IPPROTO_TCP
            assert accepted.getsockopt(tcp, socket.TCP_NODELAY)
            assert accepted.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 20_000
            assert accepted.getsockopt(tcp, socket.TCP_NOTSENT_LOWAT) == 16 * 1024


@pytest.mark.skipif(not hasattr(socket, "TCP_CONGESTION"), reason="Linux has it")
def test_accepted_sockets_have_the_congestion_control_that_was_asked_for() -> None:
    settings = ListenerSettings(tcp_congestion_control="reno")
    (sock,) = bind_sockets("127.0.0.1", 0, settings)
    with sock, socket.create_connection(sock.getsockname(), timeout=5):
        sock.setblocking(True)
        accepted, _ = sock.accept()
        with accepted:
            name = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    assert name.rstrip(b"\0") == b"reno"


@pytest.mark.skipif(not hasattr(socket, "TCP_CONGESTION"), reason="Linux has it")
def test_an_unknown_congestion_control_is_a_configuration_error() -> None:
    settings = ListenerSettings(tcp_congestion_control="none-such")
    with pytest.raises(ConfigurationError, match="none-such"):
        bind_sockets("127.0.0.1", 0, settings)


def test_of_many_that_want_a_port_at_once_one_gets_it() -> None:
    def attempt(port: int) -> list[socket.socket]:
        together.wait()
        try:
            return bind_sockets("127.0.0.1", port, SETTINGS)
        except AddressInUseError:
            return []

    together = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            (free,) = bind_sockets("127.0.0.1", 0, SETTINGS)
            port = free.getsockname()[1]
            free.close()
            got = [sock for socks in pool.map(attempt, [port] * 8) for sock in socks]
            for sock in got:
                sock.close()
            assert len(got) == 1


@pytest.mark.parametrize(
    ("family", "kind", "words"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM, "AF_UNIX SOCK_STREAM; expected one of TCP"),
        (socket.AF_INET, socket.SOCK_DGRAM, "AF_INET SOCK_DGRAM; expected one of TCP"),
        (socket.AF_INET, socket.SOCK_STREAM, "does not listen"),
    ],
)
def test_an_inherited_socket_that_cannot_serve_is_an_error(
    family: socket.AddressFamily, kind: socket.SocketKind, words: str
) -> None:
    with socket.socket(family, kind) as sock, pytest.raises(ConfigurationError, match=words):
        adopt_socket(sock, SETTINGS)


def test_an_inherited_socket_does_as_our_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        adopt_socket(sock, SETTINGS)
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
