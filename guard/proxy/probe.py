"""Asks a model server once whether it is available, over the connections that calls use."""

import asyncio
from time import monotonic

from guard.proxy.interfaces import Link
from guard.proxy.pool import Pool
from guard.proxy.values import Answer, Call, CallOutcome, Head, Reason, Target


class Unticketed:
    """The ticket of a probe, whose result does not count for the breaker."""

    def recheck(self, now: float) -> Reason | None:  # noqa: ARG002, D102
        return None

    def settle(  # noqa: D102
        self, outcome: CallOutcome, now: float, *, took: float | None = None, retry_after: float | None = None
    ) -> None: ...


class Probe:
    """Owner of one connection. The server is available once connected or, with a path, once a GET is answered 2xx."""

    def __init__(self, target: Target, path: str | None) -> None:
        self._target = target
        self._path = path
        self._outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._link: Link | None = None
        self.page = b""  # body of the answer to a GET, up to 64 KiB

    async def ask(self, within: float) -> bool:
        """Whether the server is available; also False if there is no result `within` these seconds."""
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
        """Report the connection, or send the GET on it. False: the connection is not needed any more."""
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
        """Report a 2xx status; keep the body of a complete answer."""
        self._link = None
        if answer.complete:
            self.page = answer.body
        else:
            link.cancel()
        self._report(200 <= answer.status < 300)

    def failed(self, link: Link, reason: Reason) -> None:  # noqa: ARG002
        """Report that the call failed."""
        self._link = None
        self._report(False)

    def resumed(self, link: Link) -> None:
        """Does nothing: a GET has no body."""

    def data(self, link: Link, chunk: bytes) -> None:
        """Does nothing: a probe reads no stream."""

    def done(self, link: Link) -> None:
        """Does nothing: a probe reads no stream."""
