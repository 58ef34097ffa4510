"""Watched files: read beside the loop, within a deadline; what cannot be read is told once, and hangs nobody."""

import asyncio
import os
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from guard.control.watched_files import FileHung, WatchedFiles
from guard.control.worker import ABANDONED
from guard.events import Event, FileReadable, FileUnreadable


def let_go(pipe: Path) -> None:
    """End the reads that hang at a FIFO. Opened for both, it waits for nobody."""
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


def watched() -> tuple[WatchedFiles, list[Event]]:
    events: list[Event] = []
    return WatchedFiles(events.append), events


def test_a_file_is_read_in_a_thread_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        files, events = watched()
        (tmp_path / "f").write_text("rules")
        thread = await files.read_with_deadline("kill file", threading.current_thread)
        assert (thread.name, thread.daemon) == ("guard-kill file", True)
        assert await files.read_with_deadline("kill file", (tmp_path / "f").read_text) == "rules"
        assert await files.read_with_deadline("kill file", threading.current_thread) is thread
        assert events == []

    asyncio.run(main())


def test_what_cannot_be_read_is_told_once_for_each_change(tmp_path: Path) -> None:
    async def main() -> None:
        files, events = watched()
        path = tmp_path / "SECRET-NAME"
        for _ in range(3):
            with pytest.raises(FileNotFoundError):
                await files.read_with_deadline("tokens", path.read_text)
        path.mkdir()
        with pytest.raises(IsADirectoryError):
            await files.read_with_deadline("tokens", path.read_text)
        assert files.unreadable() == {"tokens": "Is a directory"}
        assert files.states() == {"tokens": True}
        path.rmdir()
        path.write_text("x")
        assert await files.read_with_deadline("tokens", path.read_text) == "x"
        assert (files.unreadable(), files.states()) == ({}, {"tokens": False})
        assert events == [
            FileUnreadable(file="tokens", why="No such file or directory"),
            FileUnreadable(file="tokens", why="Is a directory"),
            FileReadable(file="tokens"),
        ]
        assert "SECRET" not in str(events)

    asyncio.run(main())


def test_a_read_that_hangs_ends_at_its_deadline_while_the_loop_and_other_files_go_on(tmp_path: Path) -> None:
    """A FIFO without a writer, as a hung mount is: the open itself does not return."""
    os.mkfifo(tmp_path / "pipe")

    async def main() -> None:
        files, events = watched()
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        task = asyncio.get_running_loop().create_task(turn())
        before = threading.active_count()
        for _ in range(3 * ABANDONED):
            with pytest.raises(FileHung):
                await files.read_with_deadline("policy", (tmp_path / "pipe").read_text, 0.05)
            assert await files.read_with_deadline("kill file", lambda: "rules") == "rules"
        assert threading.active_count() <= before + 2 + ABANDONED, "however often it hangs"
        assert turns > 5
        assert events == [FileUnreadable(file="policy", why="hung")]
        let_go(tmp_path / "pipe")
        while files.unreadable():  # until the threads that hung have come back
            with suppress(FileHung):
                assert await files.read_with_deadline("policy", lambda: "again", 10.0) == "again"
            await asyncio.sleep(0)
        assert events[1:] == [FileReadable(file="policy")]
        task.cancel()

    begun = monotonic()
    asyncio.run(main())
    assert monotonic() - begun < 10


def test_a_read_that_hung_is_not_taken_for_what_the_next_one_asks(tmp_path: Path) -> None:
    async def main() -> None:
        files, _ = watched()
        free = threading.Event()

        def slow() -> str:
            free.wait(10)
            return "of the path before"

        with pytest.raises(FileHung):
            await files.read_with_deadline("kill file", slow, 0.01)
        free.set()
        assert await files.read_with_deadline("kill file", lambda: "of the path now", 10.0) == "of the path now"

    asyncio.run(main())


def test_an_error_after_the_deadline_is_no_error_of_the_loop(tmp_path: Path) -> None:
    async def main() -> None:
        files, _ = watched()
        errors: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        free = threading.Event()

        def fails() -> str:
            free.wait(10)
            raise OSError(5, "late")

        with pytest.raises(FileHung):
            await files.read_with_deadline("policy", fails, 0.01)
        free.set()
        assert await files.read_with_deadline("policy", lambda: "x", 10.0) == "x"
        assert errors == []

    asyncio.run(main())
