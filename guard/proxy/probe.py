"""Asks a model server once whether it is there, over the same connections as every call."""

import asyncio
from time import monotonic

from guard.proxy.interfaces import Link
from guard.proxy.pool import Pool
from guard.proxy.values import Answer, Call, CallOutcome, Head, Reason, Target


class Unticketed:
    """A probe says nothing about how calls go."""

    def recheck(self, now: float) -> Reason | None:  # noqa: ARG002, D102
        return None

    def settle(  # noqa: D102
        self, outcome: CallOutcome, now: float, *, took: float | None = None, retry_after: float | None = None
    ) -> None: ...


class Probe:
    """Owner of one connection: it is there once connected, or, with a path, once a GET is answered 2xx."""

    def __init__(self, target: Target, path: str | None) -> None:
        self._target = target
        self._path = path
        self._outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._link: Link | None = None
        self.page = b""  # what a GET was answered with, up to 64 KiB

    async def ask(self, within: float) -> bool:
        """Whether it is there; False too where that is not known in time."""
        pool: Pool = self._target.pool  # type: ignore[assignment]
        pool.dial(self, within)
        try:
            async with asyncio.timeout(within):
                return await self._outcome
        except TimeoutError:
            if self._link is not None:
                self._link.cancel()
            return False

    def _report(self, outcome: bool) -> None:  # noqa: FBT001
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def dialled(self, dial: object, link: Link | None, reason: Reason | None) -> bool:  # noqa: ARG002
        """A connection is there, or cannot be had."""
        if link is None or self._path is None or self._outcome.done():
            self._report(link is not None)
            return False  # it goes to the pool
        headers = [(b"user-agent", b"guard"), (b"accept", b"*/*")]
        head = Head(b"GET", self._path.encode(), headers)
        self._link = link
        now = monotonic()
        link.send(self, Call(self._target, head, headers, b"", 65536, now + 60.0, Unticketed()), 0, now)
        return True

    def answered(self, link: Link, answer: Answer) -> None:
        """The answer's head, or the whole of it."""
        self._link = None
        if answer.complete:
            self.page = answer.body
        else:
            link.cancel()
        self._report(200 <= answer.status < 300)

    def failed(self, link: Link, reason: Reason) -> None:  # noqa: ARG002
        """The call broke."""
        self._link = None
        self._report(False)

    def resumed(self, link: Link) -> None:
        """Nothing more to send."""

    def data(self, link: Link, chunk: bytes) -> None:
        """Not asked for."""

    def done(self, link: Link) -> None:
        """Not asked for."""
