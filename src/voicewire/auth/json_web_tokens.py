"""JSON Web Tokens (RFC 7519), as services that people log in at issue them."""

from collections.abc import Collection, Mapping
from typing import Any

from voicewire.auth.algorithms import SECRET_BYTES, check_algorithms, check_key, load_jwt
from voicewire.auth.answers import cannot_tell, not_accepted, not_allowed, nothing_shown
from voicewire.auth.remote_keys import KeysUnavailableError, RemoteKeys
from voicewire.errors import ConfigurationError
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.identity import Identity

MAX_LEEWAY_SECS = 300.0


class JSONWebTokens:
    """Lets in who shows a token that an issuer has signed. Needs the extra `auth`.

    ::

        JSONWebTokens(
            algorithms=["RS256"],
            issuer="https://login.example.com/",
            audience="voice",
            jwks_url="https://login.example.com/.well-known/jwks.json",
        )

    A token has to say whom it is for (`sub`, which becomes the subject of the `Identity`) and
    until when it is valid (`exp`); one that cannot be understood in full (`crit`) is refused. What
    it says of where to find its key is not heeded.

    Args:
        algorithms: Exactly these are accepted, whatever a token says; never `none`.
        issuer: What `iss` has to be; None is any.
        audience: What `aud` has to hold, or one of these; None is any.
        key: The issuer's public key in PEM, or for `HS256` and its like the secret in common.
        jwks_url: Where the issuer's public keys are to be had instead. They may change: a token
            that names a new one makes for a new fetch.
        leeway_secs: How far the issuer's clock may be off.
        required_scopes: What `scope`, or `scp`, has to hold; who lacks one is told 403.
        jwks_lifetime_secs: How long fetched keys are taken for the current ones. A key that the
            issuer has withdrawn is accepted for so long; for an hour more while the issuer cannot
            be reached.
        jwks_refetch_secs: The least time between two fetches, whatever callers show.

    Raises:
        ConfigurationError: An argument is not what it should be.
        MissingExtraError: A package of the extra is not installed.
    """

    def __init__(
        self,
        *,
        algorithms: Collection[str],
        issuer: str | None,
        audience: str | Collection[str] | None,
        key: str | bytes | None = None,
        jwks_url: str | None = None,
        leeway_secs: float = 10.0,
        required_scopes: Collection[str] = (),
        jwks_lifetime_secs: float = 600.0,
        jwks_refetch_secs: float = 30.0,
    ) -> None:
        self._algorithms = check_algorithms(algorithms)
        if (key is None) == (jwks_url is None):
            raise ConfigurationError("expected one of key and jwks_url")
        if isinstance(required_scopes, str):
            raise ConfigurationError("required_scopes is a string; expected a list, as ['talk']")
        if not 0.0 <= leeway_secs <= MAX_LEEWAY_SECS:
            raise ConfigurationError(
                f"leeway_secs is {leeway_secs:g}; expected 0..{MAX_LEEWAY_SECS:g}"
            )
        load_jwt()
        if key is not None:
            check_key(key, self._algorithms)
        self._key = key
        self._remote = self._make_remote(jwks_url, jwks_lifetime_secs, jwks_refetch_secs)
        self._issuer = issuer
        self._audience = audience if audience is None or isinstance(audience, str) else [*audience]
        self._leeway_secs = leeway_secs
        self._required_scopes = tuple(required_scopes)

    def __repr__(self) -> str:
        return f"JSONWebTokens(algorithms={list(self._algorithms)}, issuer={self._issuer!r})"

    async def __call__(self, request: HandshakeRequest) -> Identity | Rejection:
        """Return for whom the token has been issued."""
        token = request.bearer_token
        if token is None:
            return nothing_shown()
        jwt = load_jwt()
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in self._algorithms or "crit" in header:
                return not_accepted("the token is signed in a way that is not accepted")
            key = await self._find_key(header.get("kid"), algorithm)
            if key is None:
                return not_accepted("the token is signed with a key that is not known")
            claims = self._checked(token, key, algorithm)
        except KeysUnavailableError:
            return cannot_tell("tokens cannot be checked now")
        except jwt.ExpiredSignatureError:
            return not_accepted("the token has expired")
        except jwt.ImmatureSignatureError:
            return not_accepted("the token is not valid yet")
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
            return not_accepted("the token is not for this server")
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return not_accepted("the token is not valid")
        if not claims["sub"]:
            return not_accepted("the token is for nobody")
        if not _scopes_of(claims).issuperset(self._required_scopes):
            return not_allowed(" ".join(self._required_scopes))
        return Identity(claims["sub"], claims)

    def _make_remote(
        self, url: str | None, lifetime_secs: float, refetch_secs: float
    ) -> RemoteKeys | None:
        if url is None:
            return None
        if self._algorithms[0] in SECRET_BYTES:
            raise ConfigurationError(
                f"algorithms is {list(self._algorithms)}, which have a secret; keys at an address "
                "are public ones, as for RS256 or ES256"
            )
        return RemoteKeys(
            url, self._algorithms, lifetime_secs=lifetime_secs, refetch_secs=refetch_secs
        )

    async def _find_key(self, kid: Any, algorithm: str) -> Any:
        if self._remote is None:
            return self._key
        return await self._remote.find(kid, algorithm)

    def _checked(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        claims: dict[str, Any] = load_jwt().decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._issuer,
            audience=self._audience,
            leeway=self._leeway_secs,
            options={
                "require": ["exp", "sub"],
                "verify_aud": self._audience is not None,
                "verify_iss": self._issuer is not None,
            },
        )
        if not isinstance(claims["sub"], str):
            raise TypeError("sub is no string")
        return claims


def _scopes_of(claims: Mapping[str, Any]) -> set[str]:
    """Return what a token allows: words in `scope` (RFC 8693, 4.2), or `scp` in either form."""
    said = claims.get("scope", claims.get("scp", ""))
    if isinstance(said, str):
        return set(said.split())
    return {each for each in said if isinstance(each, str)} if isinstance(said, list) else set()
