"""`voicewire call`: talk with a server."""

import asyncio
from pathlib import Path

import click

from voicewire.cli.call.client import Call, Outcome
from voicewire.cli.call.conversation import Manners
from voicewire.cli.call.devices import Headset
from voicewire.cli.call.events import CallEvent, Summary
from voicewire.cli.call.recorder import ReplyRecorder
from voicewire.cli.call.sound import load_sound
from voicewire.cli.console import EXIT_INTERRUPTED, EXIT_USAGE, CommandError
from voicewire.clock import MonotonicClock

_DEFAULTS = Manners()
_SECS = click.FloatRange(min=0.0)


@click.command()
@click.argument("url")
@click.option(
    "--wav",
    "files",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A recording to say; may be given several times. WAV, or with the extra `audio` FLAC, "
    "MP3 and Ogg Vorbis, at any rate.",
)
@click.option("--mic", is_flag=True, help="Speak yourself: this machine's microphone and speakers.")
@click.option(
    "--save",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write what the bot says as a WAV, on the timeline of the call.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option(
    "--barge-in-after",
    metavar="SECS",
    type=_SECS,
    help="Begin the next --wav so long after the answer's first audio, instead of at its end.",
)
@click.option(
    "--timeout",
    metavar="SECS",
    type=_SECS,
    default=_DEFAULTS.timeout_secs,
    show_default=True,
    help="How long an answer may take to begin.",
)
@click.option(
    "--greeting-wait",
    metavar="SECS",
    type=_SECS,
    default=_DEFAULTS.greeting_wait_secs,
    show_default=True,
    help="How long to wait for a greeting to begin.",
)
def call(
    url: str,
    files: tuple[Path, ...],
    mic: bool,
    save: Path | None,
    as_json: bool,
    barge_in_after: float | None,
    timeout: float,
    greeting_wait: float,
) -> None:
    """Call the server at URL with recordings or with a microphone, and tell what happens.

    Audio goes out in real time, silence too, as from a microphone. The call lets the bot finish
    its greeting, says the recordings one after the other, each when the answer to the one before
    is over, and hangs up after the last answer. It measures the time from the end of the caller's
    voice to the bot's first audio.

    \b
    Exit codes: 0, every recording was answered; 1, one was not, or the call failed;
    2, it was not asked for rightly; 130, Ctrl-C.

    \b
    voicewire call ws://localhost:8765 --wav question.wav --save reply.wav
    """  # noqa: D301 - click looks for the character that \b stands for
    if bool(files) == mic:
        message = "give recordings with --wav FILE, or --mic to speak yourself"
        raise CommandError(message, exit_code=EXIT_USAGE)
    sounds = [load_sound(path) for path in files]
    headset = Headset() if mic else None
    manners = Manners(
        greeting_wait_secs=greeting_wait,
        timeout_secs=timeout,
        barge_in_after_secs=barge_in_after,
        hangs_up=not mic,
    )
    a_call = Call(
        url,
        sounds,
        manners=manners,
        headset=headset,
        recorder=ReplyRecorder(save) if save is not None else None,
        report=_print_json if as_json else _print_line,
        clock=MonotonicClock(),
    )
    outcome = None
    try:
        outcome = asyncio.run(a_call.run())
    except KeyboardInterrupt:
        if not as_json:
            click.echo()  # The terminal has put "^C" into the line.
    finally:
        if headset is not None:
            headset.close()
    a_call.report_summary()
    if outcome is None and not mic:
        raise SystemExit(EXIT_INTERRUPTED)
    if outcome not in (None, Outcome.ANSWERED):
        raise CommandError(f"{url}: {outcome.value}")


def _print_json(event: CallEvent) -> None:
    click.echo(event.to_json())


def _print_line(event: CallEvent) -> None:
    if isinstance(event, Summary):
        click.echo(event.line())
    else:
        click.echo(f"{event.at_secs:8.3f}  {event.line()}")
