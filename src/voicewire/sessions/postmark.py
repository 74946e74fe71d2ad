"""Tokens that say which worker has issued them, and only to its fellows."""

import base64
import hmac
import secrets
import struct
from hashlib import blake2b

_NUMBER = struct.Struct(">I")
_NONCE_BYTES = 16
_TAG_BYTES = 16
_TOKEN_BYTES = _NONCE_BYTES + _NUMBER.size + _TAG_BYTES


class Postmark:
    """Makes the tokens of one worker, and reads those of all that have its key.

    A token is a random number, and the worker's own, encrypted and signed by the key: whoever has
    not got that learns nothing, and cannot make a token that any worker takes for another's.

    Args:
        key: What the workers of a supervisor have in common, 32 bytes.
        worker: The number of this one.
    """

    def __init__(self, key: bytes, worker: int) -> None:
        self.worker = worker
        self._key = key

    def make(self) -> str:
        """Return a token that has never been before."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        body = nonce + self._cover(nonce, _NUMBER.pack(self.worker))
        return base64.urlsafe_b64encode(body + self._digest(b"tag", body, _TAG_BYTES)).decode()

    def issuer(self, token: str) -> int | None:
        """Return the number of the worker that has issued a token; None where none has."""
        try:
            content = base64.urlsafe_b64decode(token)
        except ValueError:
            return None
        body, tag = content[:-_TAG_BYTES], content[-_TAG_BYTES:]
        is_whole = len(content) == _TOKEN_BYTES
        if not is_whole or not hmac.compare_digest(tag, self._digest(b"tag", body, _TAG_BYTES)):
            return None
        nonce, covered = body[:_NONCE_BYTES], body[_NONCE_BYTES:]
        number: int = _NUMBER.unpack(self._cover(nonce, covered))[0]
        return number

    def _cover(self, nonce: bytes, number: bytes) -> bytes:
        """Encrypt a number, or decrypt it."""
        pad = self._digest(b"pad", nonce, _NUMBER.size)
        return bytes(a ^ b for a, b in zip(number, pad, strict=True))

    def _digest(self, use: bytes, content: bytes, num_bytes: int) -> bytes:
        return blake2b(content, digest_size=num_bytes, key=self._key, person=use).digest()
