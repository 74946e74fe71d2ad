"""`voicewire serve`: a bot on a port."""

import asyncio
import contextlib
import sys
import time

import click

from voicewire.cli.bot_loading import Bot, load_bot
from voicewire.cli.console import (
    CommandError,
    as_command_error,
    configure_logging,
    note,
    say,
)
from voicewire.cli.session_log import SessionLog
from voicewire.clock import MonotonicClock
from voicewire.errors import AddressInUseError, VoicewireError
from voicewire.pipeline.owner import TaskOwner
from voicewire.transports import WebsocketServerParams, WebsocketServerTransport
from voicewire.vad import SileroVADAnalyzer

EMBEDDED_BOT = "voicewire.bots.embedded:bot"


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
@click.option("--verbose", is_flag=True, help="Print the library's log too.")
def serve(spec: str, host: str, port: int, verbose: bool) -> None:
    """Serve a bot over WebSocket, and tell what happens, without what is said.

    Ctrl-C ends at once, SIGTERM when the bot has finished speaking; both with exit code 0. (A bot
    that does not use `PipelineRunner` decides for itself.)
    """
    configure_logging(verbose=verbose)
    bot = load_bot(spec)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(bot, host, port, with_models=spec == EMBEDDED_BOT))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass  # An ordinary way to end a server, and before it listened there was nothing to end.
    except AddressInUseError as exc:
        raise CommandError(f"{exc}; choose another one with --port") from exc
    except VoicewireError as exc:
        raise as_command_error(exc) from exc
    note("stopped")


async def _serve(bot: Bot, host: str, port: int, *, with_models: bool) -> None:
    transport = WebsocketServerTransport(
        host=host,
        port=port,
        params=WebsocketServerParams(
            audio_in_enabled=True, audio_out_enabled=True, vad_analyzer=SileroVADAnalyzer()
        ),
    )
    SessionLog(transport, say=say, clock=MonotonicClock())
    async with TaskOwner() as tasks:
        if with_models:
            # At the same time as the bot, which opens the port before it waits for its models.
            tasks.create(_load_models(), name="models")
        await bot(transport)


async def _load_models() -> None:
    """Load what the embedded bot needs, telling how it goes."""
    from voicewire.services.local.engine import Engine
    from voicewire.services.local.language import LanguageServer
    from voicewire.services.local.voice import HibariEngine
    from voicewire.services.local.whisper import WhisperEngine

    async def load(engine: Engine) -> None:
        started_at = time.monotonic()
        # The bot needs it too, and says what is wrong.
        with contextlib.suppress(VoicewireError):
            await engine.ready()
            note(f"  {engine.name}: loaded in {time.monotonic() - started_at:.1f} s")

    note("loading models ...")
    engines = (WhisperEngine.shared(), LanguageServer.shared(), HibariEngine.shared())
    await asyncio.gather(*(load(engine) for engine in engines))


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop
