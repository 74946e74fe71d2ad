"""The public keys of an issuer of tokens (JWKS, RFC 7517)."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from voicewire.auth.algorithms import PUBLIC_KEYS, is_strong, load_jwt

MAX_KEYS = 100


class KeySet:
    """Public keys by their names.

    Args:
        keys: By algorithm, and by name: `kid`, which may be None.
    """

    def __init__(self, keys: Mapping[str, Mapping[str | None, Any]]) -> None:
        self._keys = keys

    @classmethod
    def parse(cls, content: bytes, algorithms: Collection[str]) -> "KeySet":
        """Read what an issuer has answered.

        A key that is no public one for a signature of these algorithms is left out: an issuer may
        have others too.

        Raises:
            ValueError: It is no set of keys.
        """
        try:
            said = json.loads(content)
        except RecursionError as exc:
            raise ValueError("nested too deeply") from exc
        entries = said.get("keys") if isinstance(said, dict) else None
        if not isinstance(entries, list):
            raise ValueError("no JSON object with a list of keys")
        keys: dict[str, dict[str | None, Any]] = {name: {} for name in algorithms}
        for entry in entries[:MAX_KEYS]:
            for name in algorithms:
                key = _to_key(entry, name)
                if key is not None:
                    keys[name][entry.get("kid")] = key
        return cls(keys)

    def find(self, kid: str | None, algorithm: str) -> Any:
        """Return the key of this name; the only one for a token that names none. None: not here."""
        keys = self._keys.get(algorithm, {})
        if kid is None and len(keys) == 1:
            return next(iter(keys.values()))
        return keys.get(kid)


def _to_key(entry: Any, algorithm: str) -> Any:
    """Return the key if it is a public one to check this signature with; else None."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str | None):
        return None
    kind, curve = PUBLIC_KEYS[algorithm]
    operations = entry.get("key_ops", ["verify"])
    is_for_it = (
        entry.get("kty") == kind
        and (curve is None or entry.get("crv") == curve)
        and entry.get("alg", algorithm) == algorithm
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and "d" not in entry  # A private key has no business here.
    )
    if not is_for_it:
        return None
    jwt = load_jwt()
    try:
        key = jwt.PyJWK(entry, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return None
    return key if is_strong(key) else None
