"""Reads the files that guard watches, each in a thread of its own and within a deadline: a mount that hangs holds nobody.

What cannot be read is an event and a metric, once for each change, and never the end of a task or of the process: whoever
asked gets the error, and keeps what the file said last. At most four reads of a file hang at once, and no other file waits
for them (`guard.control.worker`).
"""

from collections.abc import Callable
from typing import Final, TypeVar

from guard.control.worker import Worker
from guard.events import FileReadable, FileUnreadable, Publish

T = TypeVar("T")
WITHIN: Final = 1.0
"""Seconds that a read may take, unless whoever asks says otherwise."""

NAME: Final = 15
"""Characters of a thread's name that the system keeps."""


class FileHung(TimeoutError):  # noqa: N818
    """A file was not read within the deadline."""


class WatchedFiles:
    """The watched files of one process, by what they are for: `kill file`, `policy`, `tokens`. Belongs to the loop."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._workers: dict[str, Worker] = {}
        self._unreadable: dict[str, str] = {}
        self._known: dict[str, None] = {}

    def unreadable(self) -> dict[str, str]:
        """The files that could not be read when they were last tried, and why."""
        return dict(self._unreadable)

    def states(self) -> dict[str, bool]:
        """Whether each file that was tried failed to be read, by its name."""
        return {file: file in self._unreadable for file in tuple(self._known)}

    async def read_with_deadline(self, file: str, read: Callable[[], T], within: float = WITHIN) -> T:
        """Call `read` in the file's thread and return its result. Raises FileHung, and whatever `read` raises."""
        worker = self._workers.get(file)
        if worker is None:
            worker = self._workers[file] = Worker(f"guard-{file}"[:NAME])
        try:
            content = await worker.run(read, within)
        except TimeoutError:
            hung = FileHung("reading the file hangs")
            self.report(file, hung)
            raise hung from None
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
