"""The command `voicewire`. Each subcommand is imported when it is called."""

import importlib

import click

_COMMANDS = {
    "bench": ("voicewire.cli.bench.command", "Measure a server with many callers."),
    "call": ("voicewire.cli.call.command", "Call a server with recordings or a microphone."),
    "dial": ("voicewire.cli.dial", "Call a telephone by way of a provider."),
    "serve": ("voicewire.cli.serve", "Serve a bot over WebSocket."),
    "setup": ("voicewire.cli.setup", "Fetch and check the models of the embedded bot."),
}
"""By name: the module, whose command has the same name, and its line in the list of commands."""


class _LazyGroup(click.Group):
    """Knows its commands by name, so that none of them slows the others down."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - the table is ours
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="voicewire", message="voicewire %(version)s")
def main() -> None:
    """A real-time voice server over WebSocket: build a talking bot as a pipeline."""
