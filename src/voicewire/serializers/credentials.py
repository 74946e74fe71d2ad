"""What the application needs to end calls over a provider's HTTP API."""

import base64
import uuid
from importlib.util import find_spec

from voicewire.errors import ConfigurationError, MissingExtraError


def are_given(serializer: str, purpose: str, **credentials: str | None) -> bool:
    """Return whether all credentials are there, False where none is.

    Args:
        serializer: Whose.
        purpose: What they are for.
        credentials: By their names.

    Raises:
        ConfigurationError: Some are there; the message names those that are not.
    """
    missing = [name for name, value in credentials.items() if not value]
    if missing and len(missing) < len(credentials):
        given = [name for name in credentials if name not in missing]
        raise ConfigurationError(
            f"{serializer}: {', '.join(given)} without {', '.join(missing)}; to {purpose} it "
            "needs all of them, or none"
        )
    return not missing


def has_credentials(serializer: str, **credentials: str | None) -> bool:
    """Return whether all credentials for hanging up are there, False where none is.

    Raises:
        ConfigurationError: Some are there; the message names those that are not.
        MissingExtraError: All are there, but not the package that makes use of them.
    """
    if not are_given(serializer, "hang up calls (auto_hang_up)", **credentials):
        return False
    if find_spec("httpx2") is None:
        raise MissingExtraError("httpx2", "telephony", needed_for=f"hanging up by {serializer}")
    return True


TOKEN_SECS = 300.0
"""How long a token is valid: a clock that is a little off does no harm."""


def vonage_authorization(application_id: str, private_key: str, *, now: float) -> str:
    """Return the `Authorization` header of one request to Vonage: a JWT with RS256.

    See https://developer.vonage.com/en/getting-started/concepts/authentication#json-web-tokens.

    Args:
        application_id: Of the Vonage application.
        private_key: Its key, in PEM.
        now: Unix seconds.

    Raises:
        ConfigurationError: The key is none.
        MissingExtraError: The package PyJWT is not installed.
    """
    try:
        import jwt
    except ImportError as exc:
        raise MissingExtraError("jwt", "telephony", needed_for="calls by Vonage") from exc
    claims = {
        "application_id": application_id,
        "iat": int(now),
        "exp": int(now + TOKEN_SECS),
        "jti": str(uuid.uuid4()),
    }
    try:
        return "Bearer " + jwt.encode(claims, private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.InvalidKeyError):
        message = "private_key: expected an RSA key in PEM, as Vonage made it for the application"
        raise ConfigurationError(message) from None


def basic_authorization(user: str, password: str) -> str:
    """Return the `Authorization` header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
