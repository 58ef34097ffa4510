"""One copy of a request on its way to a model server: the owner of one connection, with a time limit and nobody waiting."""

import asyncio
from collections.abc import Callable
from time import monotonic

from guard.proxy.interfaces import Link
from guard.proxy.pool import Pool
from guard.proxy.values import Answer, Call, Failed, Reason


class Copy:
    """A call outside of any client's request. `ended` is called once, with the answer or the failure."""

    def __init__(self, call: Call, ended: Callable[[Answer | Failed], None]) -> None:
        self._call, self._ended = call, ended
        self._link: Link | None = None
        self._done = self._again = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Send it on a kept connection, or on a new one."""
        now = monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(self._call.until - now, 0.0), self.cancel)
        pool: Pool = self._call.target.pool  # type: ignore[assignment]
        link = pool.take(now)
        if link is not None:
            self._send(link)
        else:
            self._dial()

    def cancel(self) -> None:
        """End it: the time is over."""
        link = self._link
        if link is not None:
            link.cancel()
        self._end(Failed("timeout"))

    def _dial(self) -> None:
        pool: Pool = self._call.target.pool  # type: ignore[assignment]
        pool.dial(self, min(self._call.until - monotonic(), self._call.target.connect))

    def _send(self, link: Link) -> None:
        self._link = link
        link.send(self, self._call, 0, monotonic())

    def _end(self, outcome: Answer | Failed) -> None:
        self._link = None
        if not self._done:
            self._done = True
            if self._timer is not None:
                self._timer.cancel()
            self._ended(outcome)

    def dialled(self, dial: object, link: Link | None, reason: Reason | None) -> bool:  # noqa: ARG002
        """Send it on the new connection. False: the connection is not needed any more."""
        if self._done:
            return False
        if link is None:
            self._end(Failed(reason or "connect", sent=False, ours=reason is None))
            return False
        self._send(link)
        return True

    def answered(self, link: Link, answer: Answer) -> None:
        """Take a whole answer; one that is too long is not read to its end."""
        if answer.complete:
            self._end(answer)
        else:
            link.cancel()
            self._end(Failed("too_large"))

    def failed(self, link: Link, reason: Reason) -> None:
        """Dial anew if a kept connection was closed before an answer; else it has failed."""
        self._link = None
        if reason == "reset" and link.reused and not link.answer_begun and not self._again and not self._done:
            self._again = True
            self._dial()
        else:
            self._end(Failed(reason, ours=reason == "overloaded"))

    def resumed(self, link: Link) -> None:
        """Does nothing: the body went with the head."""

    def data(self, link: Link, chunk: bytes) -> None:
        """Does nothing: a copy reads no stream."""

    def done(self, link: Link) -> None:
        """Does nothing: a copy reads no stream."""
