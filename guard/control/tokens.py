"""Who may operate: lines `name role sha256:HEX`, the digests of secrets that guard itself generated.

A secret has 256 random bits, so its plain digest tells nothing of it; it is compared in constant time, with every line.
"""

import hashlib
import hmac
import re
import secrets
from typing import Final, Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["viewer", "operator"]
PREFIX: Final = "guard_"
_LINE: Final = re.compile(r"([A-Za-z0-9._@-]{1,64})\s+(viewer|operator)\s+sha256:([0-9a-f]{64})\Z", re.ASCII)


class Identity(NamedTuple):
    """Who asks, and what they may do."""

    name: str
    role: Role


class TokensInvalid(ValueError):  # noqa: N818
    """A line that cannot be read. Names its number, never its content."""


def generate() -> str:
    """A new secret."""
    return PREFIX + secrets.token_urlsafe(32)


def line(name: str, role: Role, secret: str) -> str:
    """The line of a secret for the token file."""
    return f"{name} {role} sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


class Tokens:
    """The token file, read. Raises TokensInvalid."""

    def __init__(self, text: str) -> None:
        self._known: list[tuple[bytes, Identity]] = []
        for number, raw in enumerate(text.splitlines(), 1):
            words = raw.partition("#")[0].strip()
            if not words:
                continue
            found = _LINE.match(words)
            if found is None:
                raise TokensInvalid(f"line {number}: expected `name viewer|operator sha256:HEX`")
            role: Role = "operator" if found[2] == "operator" else "viewer"
            self._known.append((bytes.fromhex(found[3]), Identity(found[1], role)))

    def __len__(self) -> int:
        return len(self._known)

    def identify(self, secret: str) -> Identity | None:
        """Whose secret this is. Takes as long for any."""
        digest = hashlib.sha256(secret.encode()).digest()
        found: Identity | None = None
        for known, identity in self._known:
            if hmac.compare_digest(known, digest):
                found = identity
        return found
