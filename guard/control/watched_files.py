"""Reads the files that guard watches, each in a thread of its own and within a deadline: a mount that hangs holds nobody.

What cannot be read is an event and a metric, once for each change, and never the end of a task or of the process: whoever
asked gets the error, and keeps what the file said last. A read that hangs stays the only one of its file, so that there is
at most one thread for each. These threads do not keep the process from ending, as those of the loop's own pool would.
"""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Final, TypeVar

from guard.events import FileReadable, FileUnreadable, Publish

T = TypeVar("T")
WITHIN: Final = 1.0
"""Seconds that a read may take, unless whoever asks says otherwise."""


class FileHung(TimeoutError):  # noqa: N818
    """A file was not read within the deadline."""


class WatchedFiles:
    """The watched files of one process, by what they are for: `kill file`, `policy`, `tokens`. Belongs to the loop."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._readers: dict[str, _Reader] = {}
        self._unreadable: dict[str, str] = {}
        self._known: dict[str, None] = {}

    def unreadable(self) -> dict[str, str]:
        """The files that could not be read when they were last tried, and why."""
        return dict(self._unreadable)

    def states(self) -> dict[str, bool]:
        """Of every file that was tried, whether it could not be read then."""
        return {file: file in self._unreadable for file in tuple(self._known)}

    async def read_with_deadline(self, file: str, read: Callable[[], T], within: float = WITHIN) -> T:
        """What `read` returns, called in the file's thread. Raises FileHung, and whatever `read` raises."""
        reader = self._readers.get(file)
        if reader is None:
            reader = self._readers[file] = _Reader(file)
        try:
            content = await reader.read(read, within)
        except Exception as error:
            self.report(file, error)
            raise
        self.report(file, None)
        return content

    def report(self, file: str, error: Exception | None) -> None:
        """Take note of how a read went that somebody else made."""
        self._known[file] = None
        before = self._unreadable.get(file)
        if error is None:
            if before is not None:
                del self._unreadable[file]
                self._publish(FileReadable(file=file))
            return
        why = "hung" if isinstance(error, FileHung) else getattr(error, "strerror", None) or type(error).__name__
        if why != before:
            self._unreadable[file] = why
            self._publish(FileUnreadable(file=file, why=why))


class _Reader:
    """The thread of one file."""

    def __init__(self, file: str) -> None:
        self._asked: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[tuple[Any, BaseException | None]]]] = SimpleQueue()
        self._pending: asyncio.Future[tuple[Any, BaseException | None]] | None = None
        Thread(target=self._run, name=f"guard-file-{file}", daemon=True).start()

    async def read(self, read: Callable[[], T], within: float) -> T:
        """What `read` returns, once the read before it is over."""
        until = monotonic() + within
        if self._pending is not None:
            await self._over(self._pending, until)
        pending = self._pending = asyncio.get_running_loop().create_future()
        self._asked.put((read, pending))
        content: T
        content, error = await self._over(pending, until)
        if error is not None:
            raise error
        return content

    async def _over(
        self, pending: "asyncio.Future[tuple[Any, BaseException | None]]", until: float
    ) -> tuple[Any, BaseException | None]:
        """Wait, and be content with an answer that came while the loop itself was late."""
        await asyncio.wait((pending,), timeout=max(0.0, until - monotonic()))
        if not pending.done():
            await asyncio.sleep(0)
        if not pending.done():
            raise FileHung
        self._pending = None
        return pending.result()

    def _run(self) -> None:
        while True:
            read, pending = self._asked.get()
            content, failed = None, None
            try:
                content = read()
            except Exception as error:  # noqa: BLE001 — raised where it was asked for
                failed = error
            try:
                pending.get_loop().call_soon_threadsafe(_settle, pending, content, failed)
            except RuntimeError:  # the loop is closed: the process ends
                return


def _settle(pending: "asyncio.Future[tuple[Any, BaseException | None]]", content: object, failed: Exception | None) -> None:
    if not pending.done():
        pending.set_result((content, failed))
