"""Tokens that let in once."""

import base64
import json
import multiprocessing
import os
import pickle
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.auth.asking import handshake, refused, subject_of
from voicewire import (
    ConfigurationError,
    ConnectRefusedError,
    ConnectRequest,
    Identity,
    OneTimeTokens,
    QueueFullError,
)
from voicewire.auth.used_tokens import (
    KEEP_SECS,
    LocalUsedTokens,
    SharedUsedTokens,
    UsedTokens,
)

pytestmark = pytest.mark.anyio

SECRET = "an-example-secret-of-32-bytes-or-more"  # noqa: S105 - of a test
ADA = Identity("ada", {"room": 7, "name": "Ada Lovelace"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Time:
    """A clock that is set by hand, in Unix seconds."""

    def __init__(self) -> None:
        self.secs = 1_700_000_000.0

    def __call__(self) -> float:
        return self.secs


async def test_a_token_lets_in_for_whom_it_was_issued_and_once() -> None:
    tokens = OneTimeTokens(SECRET)
    first, second = tokens.issue(ADA), tokens.issue(ADA)
    assert first != second
    answer = await tokens(handshake(in_query=first))
    assert answer == ADA
    assert refused(await tokens(handshake(in_query=first)), 401, "used before")
    assert refused(await tokens(handshake(first)), 401, "used before")
    assert subject_of(await tokens(handshake(second))) == "ada"


async def test_a_token_is_of_no_use_when_its_time_is_over() -> None:
    time = Time()
    tokens = OneTimeTokens(SECRET, lifetime_secs=30, now=time)
    kept, late = tokens.issue(ADA), tokens.issue(ADA)
    time.secs += 29.9
    assert subject_of(await tokens(handshake(kept))) == "ada"
    time.secs += 0.1
    assert refused(await tokens(handshake(late)), 401, "expired")


async def test_what_is_not_signed_by_us_lets_nobody_in() -> None:
    tokens = OneTimeTokens(SECRET)
    token = tokens.issue(ADA)
    prefix, payload, signature = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**content, "sub": "eve"}).encode()).decode()
    for wrong in (
        f"{prefix}.{forged}.{signature}",
        f"{prefix}.{payload}.",
        f"{prefix}.{payload}.{signature[:-1]}",
        f"{prefix}.{payload}.{signature}=",
        f"{prefix}.{payload}.{signature}.",
        f"vw2.{payload}.{signature}",
        f"{payload}.{signature}",
        "..",
        "\udcff.\udcff.\udcff",
        "x" * 10_000,
        OneTimeTokens(SECRET + "x").issue(ADA),
    ):
        assert refused(await tokens(handshake(wrong)), 401, "not known")
    assert refused(await tokens(handshake()), 401, "is needed")
    assert subject_of(await tokens(handshake(token))) == "ada"  # It has not been used up.


async def test_a_token_opens_a_socket_and_asks_for_no_other_token() -> None:
    tokens = OneTimeTokens(SECRET)
    token = tokens.issue(ADA)
    assert refused(await tokens(handshake(token, method="POST")), 401, "nothing else")
    assert subject_of(await tokens(handshake(token))) == "ada"


async def test_a_hook_of_connect_gives_one_to_whoever_is_known() -> None:
    tokens = OneTimeTokens(SECRET)
    token = await tokens.give(ConnectRequest({}, {}, "127.0.0.1", ADA))
    assert await tokens(handshake(token)) == ADA
    with pytest.raises(ConnectRefusedError, match="does not ask who you are"):
        await tokens.give(ConnectRequest({}, {}, "127.0.0.1"))


async def test_servers_with_the_same_secret_know_each_others_tokens() -> None:
    assert subject_of(await OneTimeTokens(SECRET)(handshake(OneTimeTokens(SECRET).issue(ADA))))
    unpickled = pickle.loads(pickle.dumps(OneTimeTokens(SECRET)))  # noqa: S301 - our own
    assert subject_of(await unpickled(handshake(OneTimeTokens(SECRET).issue(ADA)))) == "ada"


async def test_a_common_directory_makes_single_use_hold_for_all(tmp_path: Path) -> None:
    one, other = (OneTimeTokens(SECRET, directory=tmp_path) for _ in range(2))
    token = one.issue(ADA)
    assert subject_of(await other(handshake(token))) == "ada"
    assert refused(await one(handshake(token)), 401, "used before")
    (file,) = list(tmp_path.iterdir())  # noqa: ASYNC240 - nobody waits for this
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET not in file.name


async def test_too_many_at_once_are_told_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = OneTimeTokens(SECRET)
    monkeypatch.setattr(tokens, "_used", LocalUsedTokens(max_used=1))
    assert subject_of(await tokens(handshake(tokens.issue(ADA)))) == "ada"
    assert refused(await tokens(handshake(tokens.issue(ADA))), 503, "too many")


def test_nothing_secret_is_in_its_words() -> None:
    assert repr(OneTimeTokens(SECRET)) == "OneTimeTokens(lifetime_secs=60)"
    assert SECRET.encode() not in pickle.dumps(OneTimeTokens(SECRET))


def test_a_bad_secret_or_lifetime_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="secret has 5 bytes; expected 32 or more"):
        OneTimeTokens("short")
    for secs in (0.0, -1.0, 3601.0, float("nan")):
        with pytest.raises(ConfigurationError, match="lifetime_secs is"):
            OneTimeTokens(SECRET, lifetime_secs=secs)


def test_claims_that_cannot_go_into_an_address_are_an_error() -> None:
    tokens = OneTimeTokens(SECRET)
    with pytest.raises(ValueError, match="at most 8192"):
        tokens.issue(Identity("ada", {"all": "x" * 10_000}))
    with pytest.raises(TypeError):
        tokens.issue(Identity("ada", {"all": object()}))


# The memory of what has been used.


@pytest.fixture(params=["local", "shared"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[int], UsedTokens]]:
    with ExitStack() as opened:

        def make_memory(max_used: int) -> UsedTokens:
            if request.param == "local":
                return LocalUsedTokens(max_used)
            memory = SharedUsedTokens.at(tmp_path / "used", max_used)
            return opened.enter_context(closing(memory))

        yield make_memory


def nonce(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_each_is_taken_once(make: Callable[[int], UsedTokens]) -> None:
    memory = make(100)
    for number in (0, 1, 1 << 127, 7):
        assert memory.take(nonce(number), expires_at=60, now=0)
        assert not memory.take(nonce(number), expires_at=60, now=59)


def test_what_is_over_makes_room_and_nothing_is_forgotten_before(
    make: Callable[[int], UsedTokens],
) -> None:
    memory = make(2)
    assert memory.take(nonce(1), expires_at=10, now=0)
    assert memory.take(nonce(2), expires_at=20, now=0)
    with pytest.raises(QueueFullError):
        memory.take(nonce(3), expires_at=20, now=10 + KEEP_SECS - 1)
    assert not memory.take(nonce(1), expires_at=10, now=5)
    assert memory.take(nonce(3), expires_at=80, now=10 + KEEP_SECS)
    assert not memory.take(nonce(2), expires_at=20, now=10 + KEEP_SECS)
    assert memory.take(nonce(4), expires_at=90, now=20 + KEEP_SECS)


def test_the_memory_does_not_grow_with_time() -> None:
    memory = LocalUsedTokens()
    for second in range(5000):
        memory.take(nonce(second), expires_at=second + 60, now=second)
        assert len(memory) <= 60 + KEEP_SECS
    assert len(memory._by_end) == len(memory)


def use_all(path: Path) -> int:
    with closing(SharedUsedTokens.at(path)) as memory:
        return sum(memory.take(nonce(each), expires_at=1e12, now=0) for each in range(3000))


def test_several_processes_that_hurry_take_each_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        assert sum(processes.map(use_all, [tmp_path / "used"] * 2)) == 3000


def test_a_file_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"")
    other.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(other)
    small = tmp_path / "small"
    small.touch(mode=0o600)
    os.truncate(small, 10)
    for path in (other, link, small, tmp_path / "no" / "such", tmp_path):
        with pytest.raises(ConfigurationError):
            SharedUsedTokens.at(path)
