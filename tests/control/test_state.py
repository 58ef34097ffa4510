"""What must survive a restart."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard.control.state import StateFolder, StateTaken, open_state


def test_a_save_is_read_back_and_replaces(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "a" / "b")
    assert state.read("mode") is None
    state.save("mode", b"one")
    state.save("mode", b"two")
    assert state.read("mode") == b"two"
    state.remove("mode")
    state.remove("mode")
    assert state.read("mode") is None
    assert sorted(os.listdir(state.path)) == ["lock"]
    state.close()


def test_what_is_no_file_is_an_error_and_holds_nobody(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    os.mkfifo(state.path / "mode")
    with pytest.raises(OSError, match="not a regular file"):
        state.read("mode")
    state.close()


def test_the_folder_is_private_and_stays_it(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o777)
    state = StateFolder(tmp_path)
    state.save("mode", b"")
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((state.path / "mode").stat().st_mode) == 0o600
    state.close()


def test_one_guard_at_a_time_and_the_next_after_it(tmp_path: Path) -> None:
    first = StateFolder(tmp_path)
    with pytest.raises(StateTaken):
        StateFolder(tmp_path)
    first.close()
    StateFolder(tmp_path).close()


@pytest.mark.parametrize("name", ["private", "lock", "mode", ".mode.new"])
def test_a_symlink_is_never_followed(tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    if name == "private":
        elsewhere.mkdir()
        (tmp_path / "private").symlink_to(elsewhere)
        with pytest.raises(OSError):
            StateFolder(tmp_path)
        return
    elsewhere.write_text("theirs")
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / name).symlink_to(elsewhere)
    with pytest.raises(OSError):
        state = StateFolder(tmp_path)
        try:
            state.read("mode") if name == "mode" else state.save("mode", b"ours")
        finally:
            state.close()
    assert elsewhere.read_text() == "theirs"


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError):
        StateFolder(tmp_path)


def test_the_default_folder_gives_way_to_home_only_where_there_is_none(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    state, doubt = open_state(None, blocked / "guard", tmp_path / "home")
    assert state is not None
    assert (state.folder, doubt) == (tmp_path / "home" / ".local" / "state" / "guard", "")
    state.close()
    state, doubt = open_state(None, blocked, tmp_path / "home")
    assert state is None
    assert "file cannot be opened" in doubt


def test_where_no_folder_can_be_made_nothing_was_ordered_unless_state_is_required(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    for home in (None, blocked / "home"):
        assert open_state(None, blocked / "guard", home) == (None, "")
        assert open_state(None, blocked / "guard", home, required=True).doubt


def linked(private: Path) -> None:
    (private.parent / "elsewhere").mkdir()
    private.symlink_to(private.parent / "elsewhere")


def file(private: Path) -> None:
    private.touch()


def linked_lock(private: Path) -> None:
    private.mkdir()
    (private / "lock").symlink_to(private / "elsewhere")


def folder_lock(private: Path) -> None:
    (private / "lock").mkdir(parents=True)


@pytest.mark.parametrize("spoil", [linked, file, linked_lock, folder_lock])
@pytest.mark.parametrize("chosen", [True, False])
def test_a_folder_that_is_there_and_cannot_be_opened_is_in_doubt(
    tmp_path: Path, spoil: Callable[[Path], None], *, chosen: bool
) -> None:
    (tmp_path / "state").mkdir()
    spoil(tmp_path / "state" / "private")
    wanted, default = (tmp_path / "state", tmp_path / "default") if chosen else (None, tmp_path / "state")
    state, doubt = open_state(wanted, default, tmp_path / "home")
    assert state is None
    assert "cannot be opened" in doubt


def test_a_chosen_folder_that_cannot_be_made_is_in_doubt(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert open_state(tmp_path / "file" / "guard", tmp_path / "default", tmp_path / "home").doubt


def test_a_folder_of_another_user_is_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert open_state(tmp_path, tmp_path, None).doubt


@pytest.mark.parametrize("locked", [True, False])
def test_a_folder_that_can_be_read_and_not_written_holds_its_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, locked: bool
) -> None:
    before = StateFolder(tmp_path)
    before.save("mode", b"lowered")
    before.close()
    if not locked:
        (tmp_path / "private" / "lock").unlink()
    real = os.open

    def read_only(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    state, doubt = open_state(tmp_path, tmp_path, None)
    assert state is not None
    assert (state.writable, doubt, state.read("mode")) == (False, "", b"lowered")
    with pytest.raises(OSError):
        state.save("mode", b"normal")
    if locked:
        with pytest.raises(StateTaken):
            StateFolder(tmp_path)
    state.close()
    state, doubt = open_state(tmp_path, tmp_path, None, required=True)
    assert state is not None
    assert "cannot be written" in doubt
    state.close()


def test_a_second_guard_on_the_default_folder_does_not_move_home(tmp_path: Path) -> None:
    first, _ = open_state(None, tmp_path / "default", tmp_path / "home")
    assert first is not None
    with pytest.raises(StateTaken):
        open_state(None, tmp_path / "default", tmp_path / "home")
    first.close()


CALLS = ("open", "fsync", "replace", "fdopen")


def test_a_save_cut_at_any_call_leaves_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call to the system in turn fails, as a full disk or a crash would have it."""
    state = StateFolder(tmp_path)
    state.save("mode", b"old")
    cut = 0
    while True:
        calls = 0

        def failing(real: Any) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == cut + 1:
                    raise OSError(28, "No space left on device")
                return real(*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, failing(getattr(os, name)))
            try:
                state.save("mode", b"new")
                failed = False
            except OSError:
                failed = True
        assert state.read("mode") in (b"old", b"new")
        if not failed:
            break
        cut += 1
        state.save("mode", b"old")
    assert cut >= 4
    assert state.read("mode") == b"new"
    assert sorted(os.listdir(state.path)) == ["lock", "mode"]
    state.close()
