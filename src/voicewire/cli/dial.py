"""`voicewire dial`: call somebody, and have them talk with the bot of a server."""

import os
import time
from collections.abc import Callable, Mapping

import click

from voicewire.cli.console import EXIT_USAGE, CommandError, as_command_error, say
from voicewire.errors import VoicewireError
from voicewire.serializers import (
    CallRequest,
    FrameSerializer,
    PlivoFrameSerializer,
    TelnyxFrameSerializer,
    TwilioFrameSerializer,
    VonageFrameSerializer,
)

ANSWER_SECS = 15.0
"""How long the provider may take to accept a call."""

MAX_SHOWN_CHARS = 300
"""Of what a provider says about a call that it refuses."""

_KEYS: Mapping[str, tuple[type[FrameSerializer], Mapping[str, str]]] = {
    "twilio": (
        TwilioFrameSerializer,
        {"account_sid": "TWILIO_ACCOUNT_SID", "auth_token": "TWILIO_AUTH_TOKEN"},
    ),
    "telnyx": (
        TelnyxFrameSerializer,
        {"api_key": "TELNYX_API_KEY", "connection_id": "TELNYX_CONNECTION_ID"},
    ),
    "plivo": (
        PlivoFrameSerializer,
        {"auth_id": "PLIVO_AUTH_ID", "auth_token": "PLIVO_AUTH_TOKEN"},
    ),
    "vonage": (
        VonageFrameSerializer,
        {"application_id": "VONAGE_APPLICATION_ID", "private_key": "VONAGE_PRIVATE_KEY"},
    ),
}
"""By provider: its wire, and where its credentials are."""


@click.command()
@click.argument("number")
@click.option("--by", "provider", type=click.Choice(sorted(_KEYS)), required=True)
@click.option("--from", "from_number", required=True, help="One of your numbers at the provider.")
@click.option("--server", required=True, help="Where your bot is, such as wss://voice.example.com.")
@click.option("--api", "base_url", help="Another server with the provider's HTTP API.")
def dial(number: str, provider: str, from_number: str, server: str, base_url: str | None) -> None:
    """Call NUMBER, such as +15550100, and connect it to the bot that a server has.

    Returns when the provider has accepted the call, not when somebody answers it. Credentials come
    from the environment: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, TELNYX_API_KEY and
    TELNYX_CONNECTION_ID, PLIVO_AUTH_ID and PLIVO_AUTH_TOKEN, or VONAGE_APPLICATION_ID and
    VONAGE_PRIVATE_KEY, the key itself.
    """
    if not server.startswith(("wss://", "ws://")):
        raise CommandError(
            f"--server is {server!r}; expected an address such as wss://voice.example.com",
            exit_code=EXIT_USAGE,
        )
    try:
        request = _serializer(provider, base_url).dial_request(
            number, from_number, f"{server.rstrip('/')}/{provider}", now=time.time()
        )
    except VoicewireError as exc:
        raise as_command_error(exc) from exc
    assert request is not None  # noqa: S101 - the credentials are there
    _ask(provider, request)
    say(f"{provider} calls {number}")


def _serializer(provider: str, base_url: str | None) -> FrameSerializer:
    kind, names = _KEYS[provider]
    missing = [name for name in names.values() if not os.environ.get(name)]
    if missing:
        raise CommandError(
            f"{' and '.join(missing)} must be in the environment", exit_code=EXIT_USAGE
        )
    make: Callable[..., FrameSerializer] = kind
    credentials = {argument: os.environ[name] for argument, name in names.items()}
    return make(**credentials, base_url=base_url)


def _ask(provider: str, request: CallRequest) -> None:
    import httpx2  # Of the extra `telephony`: the serializer has looked.

    try:
        answer = httpx2.request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.body,
            timeout=ANSWER_SECS,
        )
    except httpx2.HTTPError as exc:
        raise CommandError(f"{provider} cannot be reached: {type(exc).__name__}") from exc
    if not answer.is_success:
        shown = " ".join(answer.text.split())[:MAX_SHOWN_CHARS]
        raise CommandError(f"{provider} refuses the call: HTTP {answer.status_code}: {shown}")
