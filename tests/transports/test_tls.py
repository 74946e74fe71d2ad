"""TLS on the port, with real certificates and real sockets."""

import asyncio
import logging
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect

from tests.sessions.serving import voice_server
from tests.transports.certificates import write_certificate
from tests.transports.client import audio_message, eventually
from tests.transports.fakes import tone
from tests.transports.raw_peer import listening
from voicewire import ConfigurationError, TLSFiles
from voicewire.testing import VirtualClock
from voicewire.transports.settings import ListenerSettings
from voicewire.transports.tls import LOOK_SECS, Certificate

pytestmark = pytest.mark.anyio


def trusting(files: TLSFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=files.certificate)


def name_shown(client: ClientConnection) -> str:
    certificate = client.transport.get_extra_info("peercert")
    return str(dict(pair for each in certificate["subject"] for pair in each)["commonName"])


async def test_callers_and_pages_come_by_tls(tmp_path: Path) -> None:
    files = write_certificate(tmp_path, "one")
    async with voice_server(tls=files) as server:
        assert server.url.startswith("wss://")
        async with connect(server.url, ssl=trusting(files), proxy=None) as client:
            await client.send(audio_message(tone(1.0)))
            assert await asyncio.wait_for(client.recv(), 5)
        url = server.url.replace("wss", "https", 1)
        async with httpx.AsyncClient(verify=trusting(files), trust_env=False) as browser:
            assert (await browser.get(f"{url}/healthz")).json() == {"status": "ok"}
            assert (await browser.post(f"{url}/connect")).json()["wsUrl"].startswith("wss://")


async def test_who_speaks_no_tls_is_let_go_and_disturbs_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = write_certificate(tmp_path, "one")
    caplog.set_level(logging.WARNING)
    async with voice_server(tls=files) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in await asyncio.wait_for(reader.read(), 5)
        writer.close()
        async with connect(server.url, ssl=trusting(files), proxy=None):
            pass
    assert caplog.records == []


async def test_a_tls_handshake_that_is_not_finished_has_the_deadline_of_all(
    tmp_path: Path,
) -> None:
    files = write_certificate(tmp_path, "one")
    settings = ListenerSettings(tls=files, handshake_timeout_secs=0.5, max_pending_handshakes=5)
    async with listening(settings=settings) as (listener, _):
        silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(5)]
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        assert await asyncio.wait_for(reader.read(), 5) == b"", "beyond max_pending_handshakes"
        writer.close()
        for reader, writer in silent:
            await asyncio.wait_for(reader.read(), 5)
            writer.close()
        async with connect(listener.url, ssl=trusting(files), proxy=None):
            pass


async def test_one_address_has_its_share_of_the_handshakes_also_before_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicewire.transports.listener.is_loopback", lambda ip: False)
    files = write_certificate(tmp_path, "one")
    settings = ListenerSettings(tls=files, max_pending_handshakes_per_ip=3)
    async with listening(settings=settings) as (listener, _):
        silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        for _, each in silent:
            each.close()
        await eventually(lambda: not listener._agreeing)
        async with connect(listener.url, ssl=trusting(files), proxy=None):
            assert not listener._crowd


async def test_a_renewed_certificate_is_shown_to_who_calls_from_then_on(tmp_path: Path) -> None:
    files = write_certificate(tmp_path, "old")
    async with (
        voice_server(tls=files) as server,
        connect(server.url, ssl=trusting(files), proxy=None) as early,
    ):
        assert name_shown(early) == "old"
        write_certificate(tmp_path, "new")
        await asyncio.sleep(LOOK_SECS)
        async with connect(server.url, ssl=trusting(files), proxy=None) as late:
            assert name_shown(late) == "new"
        await early.send(audio_message(tone(1.0)))
        assert await asyncio.wait_for(early.recv(), 5)


async def test_tls_and_handshake_have_one_deadline(tmp_path: Path) -> None:
    clock = VirtualClock()
    files = write_certificate(tmp_path, "one")
    settings = ListenerSettings(tls=files, handshake_timeout_secs=10.0)
    async with listening(settings=settings, clock=clock) as (listener, _):
        raw = socket.create_connection(("127.0.0.1", listener.port))
        await eventually(lambda: listener._agreeing)
        clock.advance(9.0)
        reader, writer = await asyncio.open_connection(
            sock=raw, ssl=trusting(files), server_hostname="localhost"
        )
        await eventually(lambda: listener._doors)
        clock.advance(1.5)
        assert b" 408 " in await asyncio.wait_for(reader.read(), 5)
        writer.close()


def test_a_file_that_may_be_read_only_later_is_read_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    files = write_certificate(tmp_path, "old")
    certificate = Certificate(files, clock=clock)
    old = certificate.context()
    write_certificate(tmp_path, "new")
    with monkeypatch.context() as forbidden:
        forbidden.setattr("voicewire.transports.tls.os.access", lambda *_: False)
        for _ in range(3):
            clock.advance(LOOK_SECS)
            assert certificate.context() is old
    assert [each.levelname for each in caplog.records] == ["ERROR"]
    clock.advance(LOOK_SECS)
    assert certificate.context() is not old


def test_what_cannot_be_used_leaves_the_old_one_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    files = write_certificate(tmp_path, "old")
    certificate = Certificate(files, clock=clock)
    old = certificate.context()
    good = files.key.read_bytes()
    for broken in (b"", good[: len(good) // 2]):
        files.key.write_bytes(broken)
        for _ in range(3):
            clock.advance(LOOK_SECS)
            assert certificate.context() is old
    files.key.unlink()
    clock.advance(LOOK_SECS)
    assert certificate.context() is old
    assert len(caplog.records) == 3, "each once"
    write_certificate(tmp_path, "new")
    clock.advance(LOOK_SECS)
    assert certificate.context() is not old


@pytest.mark.parametrize("fault", ["missing", "no PEM", "another key", "passphrase", "directory"])
async def test_a_certificate_that_cannot_be_used_is_an_error_at_the_start(
    fault: str, tmp_path: Path
) -> None:
    files = write_certificate(tmp_path, "one")
    if fault == "missing":
        files.key.unlink()
    elif fault == "no PEM":
        files.certificate.write_text("certificate")
    elif fault == "another key":
        key = write_certificate(tmp_path, "two").key.read_bytes()
        write_certificate(tmp_path, "one")
        files.key.write_bytes(key)
    elif fault == "passphrase":
        write_certificate(tmp_path, "one", passphrase=b"secret")
    else:
        files = TLSFiles(certificate=tmp_path, key=files.key)
    with pytest.raises(ConfigurationError, match=r"tls: .*(cert|key)\.pem|tls: .* is no file"):
        async with voice_server(tls=files):
            pass


def test_a_misspelt_name_is_told() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'certificate'"):
        TLSFiles.model_validate({"certficate": "a", "key": "b"})


async def test_old_versions_of_tls_are_not_spoken(tmp_path: Path) -> None:
    files = write_certificate(tmp_path, "one")
    context = trusting(files)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listening(settings=ListenerSettings(tls=files)) as (listener, _):
        with pytest.raises((ssl.SSLError, OSError)):
            await connect(listener.url, ssl=context, proxy=None)
