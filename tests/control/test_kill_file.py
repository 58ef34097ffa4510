"""Whatever has the name of the kill file kills; only what cannot be known keeps the last state."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.control.kill_file import Unreadable, read_kill_file


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


def loop(path: Path) -> None:
    path.symlink_to(path)


def loop_of_two(path: Path) -> None:
    other = path.with_name("other")
    path.symlink_to(other)
    other.symlink_to(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def link_to_text(path: Path) -> None:
    path.with_name("text").write_text("")
    path.symlink_to(path.with_name("text"))


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo, dangling, loop, loop_of_two, bound, link_to_text])
def test_what_has_the_name_kills(tmp_path: Path, make: Callable[[Path], object]) -> None:
    assert read_kill_file(tmp_path / "KILL") is None
    make(tmp_path / "KILL")
    assert read_kill_file(tmp_path / "KILL") == ""


def test_the_text_is_read(tmp_path: Path) -> None:
    (tmp_path / "KILL").write_text("disabled\n")
    assert read_kill_file(tmp_path / "KILL") == "disabled\n"


def test_a_folder_that_is_not_there_holds_no_kill_file(tmp_path: Path) -> None:
    assert read_kill_file(tmp_path / "none" / "KILL") is None
    (tmp_path / "file").touch()
    assert read_kill_file(tmp_path / "file" / "KILL") is None
    (tmp_path / "gone").symlink_to(tmp_path / "none")
    assert read_kill_file(tmp_path / "gone" / "KILL") is None


def test_a_folder_that_cannot_be_searched_leaves_it_unknown(tmp_path: Path) -> None:
    loop(tmp_path / "folder")
    with pytest.raises(Unreadable) as unknown:
        read_kill_file(tmp_path / "folder" / "KILL")
    assert not unknown.value.there


def test_a_file_that_may_not_be_read_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "KILL").touch()

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(Unreadable) as unreadable:
        read_kill_file(tmp_path / "KILL")
    assert unreadable.value.there
