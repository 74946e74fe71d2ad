"""The signatures of JSON Web Tokens (RFC 7518), and which keys are for which."""

from collections.abc import Collection, Mapping
from typing import Any

from voicewire.errors import ConfigurationError, MissingExtraError

SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithms with a secret that both sides have, and its least length (RFC 7518, 3.2)."""

MIN_RSA_BITS = 2048
"""RFC 7518, 3.3."""

_RSA = ("RSA", None)
PUBLIC_KEYS: Mapping[str, tuple[str, str | None]] = {
    "RS256": _RSA,
    "RS384": _RSA,
    "RS512": _RSA,
    "PS256": _RSA,
    "PS384": _RSA,
    "PS512": _RSA,
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Algorithms with a public key: its `kty` and, where there are several, its `crv`."""

_CURVES = {"P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1"}
"""What SEC 2 calls the curves."""


def load_jwt() -> Any:
    """Return the module `jwt`, where it can check all of these.

    Raises:
        MissingExtraError: PyJWT or cryptography is not installed.
    """
    for package in ("jwt", "cryptography"):
        try:
            __import__(package)
        except ImportError as exc:
            raise MissingExtraError(package, "auth", needed_for="JSON Web Tokens") from exc
    import jwt

    return jwt


def check_algorithms(algorithms: Collection[str]) -> tuple[str, ...]:
    """Return the algorithms, if a key can be meant for all of them.

    Raises:
        ConfigurationError: There is none, one is `none` or unknown, or some have a secret and
            others a public key: then who knows the public key could sign with it.
    """
    known = (*SECRET_BYTES, *PUBLIC_KEYS)
    if isinstance(algorithms, str) or not algorithms:
        raise ConfigurationError(f"algorithms is {algorithms!r}; expected a list, as ['RS256']")
    for name in algorithms:
        if name not in known:
            raise ConfigurationError(
                f"algorithms holds {name!r}; expected some of {', '.join(known)}"
            )
    if len({name in SECRET_BYTES for name in algorithms}) > 1:
        raise ConfigurationError(
            f"algorithms is {list(algorithms)}: some have a secret, others a public key; expected "
            "one kind, for a key must not be used as the other"
        )
    return tuple(algorithms)


def check_key(key: str | bytes, algorithms: Collection[str]) -> None:
    """Find out whether a key can check these signatures.

    Raises:
        ConfigurationError: It cannot. The message does not hold the key.
        MissingExtraError: PyJWT or cryptography is not installed.
    """
    jwt = load_jwt()
    for name in algorithms:
        size = len(key.encode() if isinstance(key, str) else key)
        if size < SECRET_BYTES.get(name, 0):
            raise ConfigurationError(
                f"key has {size} bytes; {name} needs {SECRET_BYTES[name]} or more"
            )
        try:
            prepared = jwt.get_algorithm_by_name(name).prepare_key(key)
        except (jwt.PyJWTError, ValueError, TypeError):
            prepared = None
        if hasattr(prepared, "sign"):
            raise ConfigurationError("key is a private one; the issuer alone should have it")
        if prepared is None or (name in PUBLIC_KEYS and not _is_for(prepared, name)):
            expected = "a secret" if name in SECRET_BYTES else "a public key in PEM"
            raise ConfigurationError(f"key is of no use for {name}; expected {expected}")
        if not is_strong(prepared):
            raise ConfigurationError(f"key is too short; RSA needs {MIN_RSA_BITS} bits or more")


def _is_for(key: Any, algorithm: str) -> bool:
    """Return whether a prepared public key is of the algorithm's kind."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    kind, curve = PUBLIC_KEYS[algorithm]
    if kind == "EC":
        return isinstance(key, EllipticCurvePublicKey) and key.curve.name == _CURVES.get(
            curve or ""
        )
    return isinstance(key, RSAPublicKey if kind == "RSA" else Ed25519PublicKey)


def is_strong(key: Any) -> bool:
    """Return whether a prepared public key is long enough; those of other kinds always are."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    return not isinstance(key, RSAPublicKey) or key.key_size >= MIN_RSA_BITS
