"""Files of labelled rows: each row once, over restarts; a file that is not as it was left is found."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.control.labels.seen import HEADER, NAMES, SLOTS, Seen, SeenDamaged


def test_a_label_is_noted_once(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    assert seen.mark(7, {0: 1, SLOTS: 0, 5: 19}, numeric=False) == {0: None, SLOTS: None, 5: None}
    again = Seen(tmp_path)
    assert again.mark(7, {0: 1, 5: 2, 6: 0}, numeric=False) == {0: 1, 5: 19, 6: None}
    assert again.mark(7, {5: 0}, numeric=False) == {5: 2}
    assert again.mark(8, {5: 0}, numeric=False) == {5: None}


@given(st.dictionaries(st.integers(0, 2**32 - 1), st.floats(width=32, allow_nan=False), max_size=5))
def test_numbers_are_noted_too(rows: dict[int, float]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Seen(Path(folder)).mark(1, rows, numeric=True)
        assert Seen(Path(folder)).mark(1, rows, numeric=True) == rows


def test_rows_without_a_label_take_no_room(tmp_path: Path) -> None:
    Seen(tmp_path).mark(1, {SLOTS - 1: 0}, numeric=False)
    (file,) = tmp_path.glob("labels-seen-*")
    assert file.stat().st_blocks * 512 <= 16384 < file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("length", [0, 1, HEADER.size - 1, HEADER.size, HEADER.size + SLOTS - 1])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_file_that_was_cut_is_found_and_nothing_is_noted(tmp_path: Path, length: int, restarted: bool) -> None:
    seen = Seen(tmp_path)
    seen.mark(1, {3: 1, SLOTS + 3: 1}, numeric=False)
    first, second = sorted(tmp_path.glob("labels-seen-*"))
    with first.open("r+b") as file:
        file.truncate(length)
    seen = Seen(tmp_path) if restarted else seen
    before = second.read_bytes()
    with pytest.raises(SeenDamaged, match=first.name):
        seen.check()
    with pytest.raises(SeenDamaged, match=first.name):
        seen.mark(1, {4: 1, SLOTS + 4: 1}, numeric=False)
    assert second.read_bytes() == before
    assert first.stat().st_size == length, "it is left as it is"


def test_a_file_without_its_head_is_found(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    seen.mark(1, {3: 1}, numeric=False)
    (file,) = tmp_path.glob("labels-seen-*")
    file.write_bytes(bytes(HEADER.size) + file.read_bytes()[HEADER.size :])
    with pytest.raises(SeenDamaged, match="header"):
        seen.mark(1, {3: 1}, numeric=False)


@pytest.mark.parametrize("gone", ["file", "names"])
def test_a_file_that_is_missing_is_found(tmp_path: Path, gone: str) -> None:
    Seen(tmp_path).mark(1, {3: 1}, numeric=False)
    (file,) = tmp_path.glob("labels-seen-*")
    (file if gone == "file" else tmp_path / NAMES).unlink()
    with pytest.raises(SeenDamaged, match="missing"):
        Seen(tmp_path).check()


def test_a_list_of_files_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    (tmp_path / NAMES).write_text("[1")
    with pytest.raises(SeenDamaged, match="read"):
        Seen(tmp_path)


def test_a_file_that_was_made_just_before_a_kill_is_used(tmp_path: Path) -> None:
    """The file is there, and the list does not have it yet."""
    seen = Seen(tmp_path)
    seen.mark(1, {3: 1}, numeric=False)
    seen.mark(2, {3: 1}, numeric=False)
    (tmp_path / NAMES).write_text('["labels-seen-00000001-0000"]')
    again = Seen(tmp_path)
    assert again.mark(2, {3: 1}, numeric=False) == {3: 1}
    assert "labels-seen-00000002-0000" in (tmp_path / NAMES).read_text()


def test_files_whose_receipts_expired_are_removed(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    seen.mark(1, {3: 1}, numeric=False)
    (file,) = tmp_path.glob("labels-seen-*")
    written = file.stat().st_mtime
    seen.expire(written - 1)
    assert file.exists()
    seen.expire(written + 1)
    assert not file.exists()
    Seen(tmp_path).check()
