"""`voicewire serve`: a bot on a port."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import click

from voicewire.auth import StaticTokens
from voicewire.cli.bot_loading import load_bot, load_params
from voicewire.cli.console import (
    EXIT_USAGE,
    CommandError,
    as_command_error,
    configure_logging,
    note,
    say,
)
from voicewire.cli.session_log import SessionLog
from voicewire.clock import MonotonicClock
from voicewire.errors import AddressInUseError, ConfigurationError, VoicewireError
from voicewire.records import RedisSessionStore
from voicewire.sessions import Bot, Limits, SessionTransport
from voicewire.sessions import serve as serve_bot
from voicewire.sessions.server import default_params
from voicewire.sessions.serving import DRAIN_SECS
from voicewire.transports import TLSFiles, WebsocketServerParams

EMBEDDED_BOT = "voicewire.bots.embedded:bot"

TOKENS_VARIABLE = "VOICEWIRE_TOKENS"
"""Not an option: everybody on the machine can read what stands on a command line. It is taken out
of the environment, so that programs which a bot starts do not inherit it."""

STORE_VARIABLE = "VOICEWIRE_SESSION_STORE"
"""Not an option either: the address may hold a password."""

SHORT_ID_LENGTH = 4
"""How much of a client's identifier tells the lines of one session from those of another."""


def _parse_networks(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(map(ip_network, values))
    except ValueError as exc:
        raise click.BadParameter(f"{exc}; expected one such as 10.0.0.7 or 10.0.0.0/8") from exc


@click.command()
@click.option(
    "--bot",
    "spec",
    metavar="MODULE:FUNCTION",
    default=EMBEDDED_BOT,
    show_default=True,
    help="An `async def` function that takes a transport and runs a pipeline on it.",
)
@click.option("--host", default="localhost", show_default=True, help="0.0.0.0 is every network.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True)
@click.option(
    "--max-sessions",
    type=click.IntRange(1),
    default=Limits().max_sessions,
    show_default=True,
    help="Callers at a time; the surplus is refused.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that share the port and the callers.",
)
@click.option(
    "--drain-secs",
    type=click.FloatRange(0.0),
    default=DRAIN_SECS,
    show_default=True,
    help="How long SIGTERM lets the turns under way take.",
)
@click.option(
    "--reload-secs",
    type=click.FloatRange(0.0, min_open=True),
    help="How long calls may go on whose worker SIGHUP has replaced; by default to their end.",
)
@click.option(
    "--tls-cert",
    type=click.Path(path_type=Path),
    help="Certificate and what is above it, in PEM. Speaks TLS; read anew when it changes.",
)
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its private key, in PEM.")
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="NETWORK",
    callback=_parse_networks,
    help="A reverse proxy's address or network, whose X-Forwarded-For is believed; repeatable.",
)
@click.option("--verbose", is_flag=True, help="Print the library's log too.")
def serve(
    spec: str,
    host: str,
    port: int,
    max_sessions: int,
    workers: int,
    drain_secs: float,
    reload_secs: float | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...],
    verbose: bool,
) -> None:
    """Serve a bot over WebSocket, and tell what happens, without what is said.

    The bot is called for each caller. What its module calls transport_params, a
    WebsocketServerParams, says what the transports do.

    Whoever reaches the port may talk, unless VOICEWIRE_TOKENS is set: then callers need one of
    these tokens. It holds NAME:TOKEN, or several of them with commas between; programs send
    "Authorization: Bearer TOKEN", pages add ?token=TOKEN.

    VOICEWIRE_SESSION_STORE is the address of a Redis or Valkey, such as redis://host:6379/0, in
    which conversations are kept that outlive their process.

    Ctrl-C ends at once, SIGTERM when the turns under way have come to their end; both with exit
    code 0. SIGHUP replaces several workers by fresh ones, without a lost call.
    """
    configure_logging(verbose=verbose)
    load_bot(spec)
    process = _Process(spec, verbose=verbose)
    params = _with_variable(load_params(spec), TOKENS_VARIABLE, "authenticate", StaticTokens.parse)
    params = _with_variable(params, STORE_VARIABLE, "session_store", RedisSessionStore)
    if (tls_cert is None) != (tls_key is None):
        raise CommandError("--tls-cert and --tls-key go together", exit_code=EXIT_USAGE)
    if tls_cert is not None and tls_key is not None:
        params = _with(params, tls=TLSFiles(certificate=tls_cert, key=tls_key))
    if trusted_proxies:
        params = _with(params, trusted_proxies=trusted_proxies)
    try:
        serve_bot(
            process.bot,
            host,
            port,
            params=params,
            limits=Limits(max_sessions=max_sessions),
            workers=workers,
            prepare=process.prepare,
            on_ready=_say_ready,
            drain_secs=drain_secs,
            reload_secs=reload_secs,
        )
    except AddressInUseError as exc:
        raise CommandError(f"{exc}; choose another one with --port") from exc
    except VoicewireError as exc:
        raise as_command_error(exc) from exc
    note("stopped")


def _with_variable(
    params: WebsocketServerParams | None, variable: str, field: str, make: Callable[[str], object]
) -> WebsocketServerParams | None:
    """Return the parameters with what a variable says, which is taken out of the environment.

    Args:
        params: Those of the bot's module.
        variable: Its name.
        field: Which parameter it is.
        make: Makes the parameter's value of what it says.

    Raises:
        CommandError: It cannot be made of that, or the bot's module has one of its own.
    """
    text = os.environ.pop(variable, None)
    if text is None:
        return params
    if params is not None and getattr(params, field) is not None:
        raise CommandError(
            f"{variable} is set, and transport_params has {field}: it must be one",
            exit_code=EXIT_USAGE,
        )
    try:
        value = make(text)
    except ConfigurationError as exc:
        raise CommandError(f"{variable}: {exc}", exit_code=EXIT_USAGE) from exc
    return _with(params, **{field: value})


def _with(params: WebsocketServerParams | None, **options: object) -> WebsocketServerParams:
    """Return the parameters with options of the command line."""
    params = params if params is not None else default_params()
    return params.model_copy(update=options)


def _say_ready(url: str) -> None:
    say(f"listening on {url} (Ctrl-C ends)")
    note(f"  talk with it in a browser: {url.replace('ws', 'http', 1)}")


@dataclass
class _Process:
    """What each process of the server does; other processes get it pickled."""

    spec: str
    verbose: bool

    @cached_property
    def _bot(self) -> Bot:
        return load_bot(self.spec)

    async def bot(self, transport: SessionTransport) -> None:
        """Tell what happens in the session, and run the bot that was asked for."""
        who = transport.client.id[:SHORT_ID_LENGTH]
        SessionLog(transport, say=lambda line: say(f"{who}  {line}"), clock=MonotonicClock())
        await self._bot(transport)

    async def prepare(self) -> None:
        """Get ready for callers."""
        configure_logging(verbose=self.verbose)
        if self.spec == EMBEDDED_BOT:
            await _load_models()


async def _load_models() -> None:
    """Load what the embedded bot needs, telling how it goes.

    Raises:
        VoicewireError: A model cannot be loaded.
    """
    from voicewire.services.local.engine import Engine
    from voicewire.services.local.language import LanguageServer
    from voicewire.services.local.smart_turn import SmartTurnEngine
    from voicewire.services.local.voice import HibariEngine
    from voicewire.services.local.whisper import WhisperEngine

    async def load(engine: Engine) -> None:
        started_at = time.monotonic()
        await engine.ready()
        note(f"  {engine.name}: loaded in {time.monotonic() - started_at:.1f} s")

    note("loading models ...")
    engines: tuple[Engine, ...] = (
        WhisperEngine.shared(),
        SmartTurnEngine.shared(),
        LanguageServer.shared(),
        HibariEngine.shared(),
    )
    outcomes = await asyncio.gather(*(load(engine) for engine in engines), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
