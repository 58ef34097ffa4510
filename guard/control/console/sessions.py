"""Sessions of browsers: an opaque identifier in a cookie stands for a token, which the browser never keeps.

    a session ends                  because
    30 minutes without a request    nobody looks at the page any more; a hidden tab asks for nothing
    8 hours after it began          a machine was left unlocked
    with its token                  whoever takes a token out of the file has ended its sessions too
    by signing out                  its owner says so
    when 64 others began since      memory is bounded

Only digests are kept: neither a token nor an identifier can be read from this process.
"""

import hashlib
import secrets
from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple

from guard.control.tokens import Identity

IDLE: Final = 1800.0
LONGEST: Final = 8 * 3600.0
MOST: Final = 64


class Session(NamedTuple):
    """One session. Times in monotonic seconds."""

    token: bytes
    begun: float
    used: float


class Sessions:
    """`holder` gives the identity that the digest of a token belongs to now; None once the token is withdrawn."""

    def __init__(self, holder: Callable[[bytes], Identity | None], clock: Callable[[], float] = monotonic) -> None:
        self._holder, self._clock = holder, clock
        self._sessions: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, token: str) -> str | None:
        """Begin a session and return its identifier; None if the token is nobody's."""
        digest, now = _digest(token), self._clock()
        holder = self._holder(digest)
        if holder is None or holder.role == "labels":
            return None
        for key in [key for key, session in self._sessions.items() if not self._lives(session, now)]:
            del self._sessions[key]
        if len(self._sessions) >= MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used)]
        identifier = secrets.token_urlsafe(32)
        self._sessions[_digest(identifier)] = Session(digest, now, now)
        return identifier

    def find(self, identifier: str) -> Identity | None:
        """The identity of a session that has not ended, which counts as use of it."""
        key, now = _digest(identifier), self._clock()
        session = self._sessions.get(key)
        if session is None:
            return None
        if not self._lives(session, now):
            del self._sessions[key]
            return None
        self._sessions[key] = session._replace(used=now)
        return self._holder(session.token)

    def close(self, identifier: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(identifier), None)

    def _lives(self, session: Session, now: float) -> bool:
        return now - session.used < IDLE and now - session.begun < LONGEST and self._holder(session.token) is not None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
