"""Replacements for a value in telemetry: nothing, a word, or a keyed hash.

A plain hash of an e-mail address or a card number is found again by trying them all; so hashes are HMAC-SHA-256 over the
field's name and the value, and without a key there is none. The key's own id stands before each hash, so that after a
rotation the old ones are still told apart. Truncated to 128 bits (RFC 2104 §5).
"""

import hmac
import json
from hashlib import sha256
from typing import Final, Literal, TypeAlias

Treatment: TypeAlias = Literal["drop", "mask", "hash"]

REDACTED: Final = "[redacted]"
MASKED: Final = "[masked]"
DROPPED: Final = object()
"""Placeholder for a value that telemetry leaves out."""

LEAST_KEY: Final = 16
_DOMAIN: Final = b"guard/v1"


class Hasher:
    """Makes the keyed hash of a field's value. Raises ValueError for a key of fewer than 16 bytes."""

    def __init__(self, key: bytes | None) -> None:
        if key is not None and len(key) < LEAST_KEY:
            raise ValueError(f"a key for hashes has at least {LEAST_KEY} bytes")
        self._key = key
        self._id = hmac.digest(key, b"guard key id", "sha256").hex()[:8] if key is not None else ""

    def __repr__(self) -> str:
        return f"<Hasher {self._id or 'without a key'}>"

    def __call__(self, field: str, value: object) -> str:
        """`hmac:KEYID:HASH`; `[redacted]` without a key, and for null. Equal numbers hash alike, `1` and `"1"` do not."""
        if self._key is None or value is None:
            return REDACTED
        mac = hmac.new(self._key, digestmod=sha256)
        for part in (_DOMAIN, field.encode(), _canonical(value)):
            mac.update(len(part).to_bytes(8, "big") + part)
        return f"hmac:{self._id}:{mac.hexdigest()[:32]}"


def treat(treatment: Treatment, field: str, value: object, hasher: Hasher) -> object:
    """The form in which telemetry may show a value. A mask hides even whether there was one."""
    if treatment == "drop":
        return DROPPED
    return hasher(field, value) if treatment == "hash" else MASKED


def _canonical(value: object) -> bytes:
    """One text for values that JSON holds equal."""
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), default=lambda item: type(item).__name__
    ).encode()


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
