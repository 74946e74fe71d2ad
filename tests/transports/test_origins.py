import pytest

from voicewire.transports.origins import origin_refusal


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
    assert origin_refusal(origin, host, None) is None


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
    refusal = origin_refusal(origin, host, None)
    assert refusal is not None
    assert repr(origin) in refusal


def test_a_list_lets_in_what_it_names_and_nothing_else() -> None:
    allowed = ["https://app.example/", "null"]
    assert origin_refusal("https://app.example", "x", allowed) is None
    assert origin_refusal("null", "x", allowed) is None
    assert origin_refusal(None, "x", allowed) is None
    assert origin_refusal("https://x", "x", allowed) is not None


def test_a_star_lets_everybody_in() -> None:
    assert origin_refusal("https://evil.example", "x", ["*"]) is None


def test_a_huge_origin_is_cut_in_the_refusal() -> None:
    refusal = origin_refusal("http://" + "x" * 5000, "localhost", None)
    assert refusal is not None
    assert len(refusal) < 300
