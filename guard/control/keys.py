"""The tokens in force: those of the configured file, followed while guard runs, or one made at start for this machine.

    the file reads                 its content is in force within a second, whole: nothing of the content before remains
    a line of it cannot be read    TokensRefused with its number; the line, and the name it begins with, give no access
    it cannot be read, or is gone  TokensUnreadable; what it held last stays in force for GRACE seconds, so that an editor
                                   or a volume that replaces it in two steps locks nobody out
    longer than that               TokensWithdrawn: nobody has access until it can be read again
    at the start                   without a last content, nobody has access

Revocation wins: whoever deletes the file has revoked every token in it, and no mistake in it keeps an older token valid.
The file is read in a thread, for it may be on a mount that hangs.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from guard.control.tokens import Identity, Tokens, line
from guard.control.worker import Worker
from guard.events import Publish, TokensRead, TokensRefused, TokensUnreadable, TokensWithdrawn

EVERY: Final = 1.0
"""Seconds between two looks at the file."""
WITHIN: Final = 2.0
"""Seconds in which it is read, or counts as unreadable."""
GRACE: Final = 10.0
"""Seconds for which tokens outlive a file that cannot be read."""
MOST_BYTES: Final = 1 << 20


class Keys:
    """`read` gives the content of the configured file and may raise OSError; `own` is the secret made at start."""

    def __init__(
        self,
        read: Callable[[], bytes] | None,
        own: str | None,
        publish: Publish,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read, self._publish, self._clock = read, publish, clock
        self._tokens = Tokens(line("local", "operator", own) if own is not None else "", own=True)
        self._content: bytes | None = None
        self._unreadable_since: float | None = None
        self._reader = Worker("guard-tokens")

    def identify(self, secret: str) -> Identity | None:
        """The identity that a secret belongs to."""
        return self._tokens.identify(secret)

    def holder(self, digest: bytes) -> Identity | None:
        """The identity that a secret of this SHA-256 digest belongs to."""
        return self._tokens.holder(digest)

    def status(self) -> dict[str, object]:
        """The state of the key file for an operator, without its content."""
        readable = self._unreadable_since is None
        return {"count": len(self._tokens), "readable": readable, "refused_lines": list(self._tokens.unreadable)}

    @property
    def troubled(self) -> bool:
        """Whether the file, or a line of it, cannot be read."""
        return self._unreadable_since is not None or bool(self._tokens.unreadable)

    async def watch(self) -> None:
        """Follow the file, for ever."""
        while self._read is not None:
            await asyncio.sleep(EVERY)
            await self.reload_if_changed()

    async def reload_if_changed(self) -> None:
        """Read the file once."""
        if self._read is None:
            return
        try:
            content = await self._reader.run(self._read, WITHIN)
        except (OSError, TimeoutError) as error:
            self.miss(type(error).__name__)
        else:
            self.take(content)

    def take(self, content: bytes) -> None:
        """The file holds this now."""
        unreadable, self._unreadable_since = self._unreadable_since is not None, None
        if content == self._content and not unreadable:
            return
        self._content = content
        self._tokens = Tokens(content[:MOST_BYTES].decode("utf-8", "replace"))
        self._publish(TokensRead(count=len(self._tokens)))
        if self._tokens.unreadable:
            self._publish(TokensRefused(lines=self._tokens.unreadable))

    def miss(self, why: str) -> None:
        """The file cannot be read now. `why`: the kind of error."""
        now = self._clock()
        if self._unreadable_since is None:
            self._unreadable_since = now
            self._publish(TokensUnreadable(why=why, grace=GRACE if len(self._tokens) else 0.0))
        if len(self._tokens) and now - self._unreadable_since >= GRACE:
            self._tokens, self._content = Tokens(""), None
            self._publish(TokensWithdrawn())
