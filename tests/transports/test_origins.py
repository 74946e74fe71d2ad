import pytest

from voicewire.transports.origins import is_loopback, origin_refusal


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "example.com"),
        ("http://example.com", "example.com"),
        ("https://example.com", "example.com"),
        ("https://Example.com", "example.COM:443"),
        ("https://example.com:8443", "example.com:8443"),
        ("http://localhost:3000", "127.0.0.1:8765"),
        ("http://[::1]:3000", "localhost:8765"),
        ("http://[2001:db8::1]:80", "[2001:db8::1]"),
    ],
)
def test_a_page_of_this_server_may_connect(origin: str | None, host: str) -> None:
    assert origin_refusal(origin, host, None, is_on_loopback=False) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "example.com"),
        ("http://example.com:81", "example.com"),
        ("http://example.com.evil.example", "example.com"),
        ("http://localhost:3000", "example.com"),
        ("http://evil.example", "localhost:8765"),
        ("http://localhost.evil.example", "localhost:8765"),
        ("null", "localhost"),
        ("", "localhost"),
        ("file://", "localhost"),
        ("http://[", "localhost"),
        ("http://localhost:99999", "localhost"),
        ("http://localhost", "localhost:x"),
        ("garbage", "localhost"),
        ("//localhost", "localhost"),
    ],
)
def test_any_other_page_may_not(origin: str, host: str) -> None:
    refusal = origin_refusal(origin, host, None, is_on_loopback=False)
    assert refusal is not None
    assert repr(origin) in refusal


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "rebound.example:8765"),
        ("http://localhost:8765", "localhost:8765"),
        ("http://localhost:3000", "127.0.0.1:8765"),
        ("http://LocalHost:3000", "127.8.9.10:8765"),
        ("https://app.localhost", "[::1]:8765"),
    ],
)
def test_on_loopback_a_page_of_this_machine_may_connect(origin: str | None, host: str) -> None:
    assert origin_refusal(origin, host, None, is_on_loopback=True) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://rebound.example:8765", "rebound.example:8765"),
        ("https://rebound.example", "rebound.example"),
        ("http://localhost.example", "localhost.example"),
        ("http://127.0.0.1.example", "127.0.0.1.example"),
        ("http://192.168.1.5:8765", "192.168.1.5:8765"),
        ("http://localhost:3000", "rebound.example:8765"),
    ],
)
def test_on_loopback_a_page_that_uses_another_name_may_not(origin: str, host: str) -> None:
    refusal = origin_refusal(origin, host, None, is_on_loopback=True)
    assert refusal is not None
    assert "allowed_origins" in refusal
    assert repr(origin) in refusal
    assert origin_refusal(origin, host, [origin], is_on_loopback=True) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.3", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
        ("::", False),
        ("128.0.0.1", False),
        ("notlocalhost", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_a_name_of_loopback_is_known(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_list_lets_in_what_it_names_and_nothing_else() -> None:
    allowed = ["https://app.example/", "null"]
    assert origin_refusal("https://app.example", "x", allowed, is_on_loopback=False) is None
    assert origin_refusal("null", "x", allowed, is_on_loopback=False) is None
    assert origin_refusal(None, "x", allowed, is_on_loopback=False) is None
    assert origin_refusal("https://x", "x", allowed, is_on_loopback=False) is not None


def test_a_star_lets_everybody_in() -> None:
    assert origin_refusal("https://evil.example", "x", ["*"], is_on_loopback=False) is None


def test_a_huge_origin_is_cut_in_the_refusal() -> None:
    refusal = origin_refusal("http://" + "x" * 5000, "localhost", None, is_on_loopback=False)
    assert refusal is not None
    assert len(refusal) < 300
