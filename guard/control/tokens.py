"""Tokens of operators: lines `name role sha256:HEX`, digests of secrets that guard itself generated.

A secret has 256 random bits, so its plain digest tells nothing of it. A secret is found by its digest: what the time of a
lookup tells is about the digest of a guess, from which no secret follows.

A line that cannot be read gives nobody access. It also withdraws the name that it begins with: who replaces a token and
mistypes the new line has revoked the old one all the same.
"""

import hashlib
import re
import secrets
from typing import Final, Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["viewer", "operator", "labels"]
PREFIX: Final = "guard_"
MOST_LINES: Final = 1000
"""Lines that are read; those beyond are refused."""
_NAME: Final = r"[A-Za-z0-9._@-]{1,64}"
_LINE: Final = re.compile(rf"({_NAME})[ \t]+(viewer|operator|labels)[ \t]+sha256:([0-9a-f]{{64}})", re.ASCII)


class Identity(NamedTuple):
    """The caller and the role."""

    name: str
    role: Role
    own: bool = False
    """Whether guard made the token for this machine: no other operator's may send labels."""


def is_name(name: str) -> bool:
    """Whether a token file can hold a name: 1 to 64 letters, digits and the signs . _ @ -."""
    return re.fullmatch(_NAME, name, re.ASCII) is not None


def generate() -> str:
    """A new secret."""
    return PREFIX + secrets.token_urlsafe(32)


def line(name: str, role: Role, secret: str) -> str:
    """The line of a secret for the token file."""
    return f"{name} {role} sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


class Tokens:
    """A token file, read. `unreadable`: the numbers of the lines that cannot be read, never their content."""

    def __init__(self, text: str, *, own: bool = False) -> None:
        """`own`: guard made these tokens itself."""
        by_digest: dict[bytes, Identity] = {}
        withdrawn: set[str] = set()
        unreadable: list[int] = []
        for number, raw in enumerate(text.split("\n"), 1):
            words = raw.partition("#")[0].strip()
            if not words:
                continue
            match = _LINE.fullmatch(words) if number <= MOST_LINES else None
            if match is None:
                unreadable.append(number)
                withdrawn.add(words.split()[0])
                continue
            role: Role = match[2]  # type: ignore[assignment]
            by_digest[bytes.fromhex(match[3])] = Identity(match[1], role, own)
        self._by_digest = {digest: identity for digest, identity in by_digest.items() if identity.name not in withdrawn}
        self.unreadable = tuple(unreadable)

    def __len__(self) -> int:
        return len(self._by_digest)

    def identify(self, secret: str) -> Identity | None:
        """The identity that a secret belongs to."""
        return self.holder(hashlib.sha256(secret.encode()).digest())

    def holder(self, digest: bytes) -> Identity | None:
        """The identity that a secret of this SHA-256 digest belongs to."""
        return self._by_digest.get(digest)
