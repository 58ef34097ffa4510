"""Files of the rows that have a label already. They survive a kill at any moment, so that no label counts twice.

A file holds the slots of one process from a multiple of 65,536 on, in a fixed number of bytes each, after a header. It has
its full length from its first moment on (made beside, synchronised, renamed; blocks without labels are holes that take no
room), so a file that is shorter, longer, empty or without its head was damaged. It is read and written by position, not
mapped: a mapped file that is cut short kills the process. Every use checks it, and a list of the files' names tells that
one is missing.
"""

import json
import os
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

SLOTS: Final = 65536
HEADER: Final = struct.Struct("!8sIIB15x")
MAGIC: Final = b"guardlb1"
WIDTHS: Final = {False: 1, True: 5}
"""Bytes of a slot: a class plus 1; of a number 1 and its four bytes. 0 is a slot without a label."""
NAMES: Final = "labels-seen.json"
_NUMBER: Final = struct.Struct("!Bf")


class SeenDamaged(Exception):  # noqa: N818
    """A file of labelled rows is not as guard left it. `file`: its name."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file} {why}")
        self.file, self.why = file, why


class Seen:
    """The files in one folder. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError and SeenDamaged."""
        self._folder = folder
        self._names: set[str] = set()
        self._read_names()

    def mark(self, process: int, rows: Mapping[int, float], *, numeric: bool) -> dict[int, float | None]:
        """Note a label of each slot, durably. Returns the labels before; None for a slot that had none.

        Every file is checked before anything is written. Raises SeenDamaged and OSError.
        """
        by_file: dict[str, dict[int, float]] = {}
        for slot, label in rows.items():
            by_file.setdefault(_name(process, slot // SLOTS, numeric), {})[slot] = label
        opened = {}
        try:
            for name, own in by_file.items():
                opened[name] = self._open(name, process, min(own) // SLOTS, numeric)
            before: dict[int, float | None] = {}
            for name, own in by_file.items():
                before.update(_marked(opened[name], own, numeric))
            return before
        finally:
            for descriptor in opened.values():
                os.close(descriptor)

    def check(self) -> None:
        """Look at every file. Raises SeenDamaged and OSError."""
        for name in sorted(self._names):
            process, part, numeric = _parsed(name)
            os.close(self._open(name, process, part, numeric))

    def check_named(self, slots: Iterable[tuple[int, int, bool]]) -> None:
        """Look at the files of (process, slot, numeric). Raises SeenDamaged and OSError."""
        for process, part, numeric in {(process, slot // SLOTS, numeric) for process, slot, numeric in slots}:
            os.close(self._open(_name(process, part, numeric), process, part, numeric))

    def expire(self, before: float) -> None:
        """Remove files without a label since then: every receipt in them has expired. Raises OSError."""
        gone = set()
        for name in self._names:
            with suppress(FileNotFoundError):
                if (self._folder / name).stat().st_mtime < before:
                    gone.add(name)
        if gone:
            self._names -= gone
            self._save_names()
            for name in gone:
                (self._folder / name).unlink(missing_ok=True)

    def _open(self, name: str, process: int, part: int, numeric: bool) -> int:  # noqa: FBT001
        header, size = _header(process, part, numeric), HEADER.size + SLOTS * WIDTHS[numeric]
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self._folder / name, flags)
        except FileNotFoundError:
            if name in self._names:
                raise SeenDamaged(name, "is missing") from None
            self._make(name, header, size)
            descriptor = os.open(self._folder / name, flags)
        try:
            found = os.fstat(descriptor).st_size
            if found != size:
                raise SeenDamaged(name, f"has {found} bytes and not {size}")
            if os.pread(descriptor, HEADER.size, 0) != header:
                raise SeenDamaged(name, "does not begin with its header")
            if name not in self._names:  # made just before a kill
                self._names.add(name)
                self._save_names()
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _make(self, name: str, header: bytes, size: int) -> None:
        beside = self._folder / f".{name}.new"
        with open(beside, "wb", opener=_private) as file:
            file.write(header)
            file.truncate(size)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self._folder / name)
        self._names.add(name)
        self._save_names()

    def _read_names(self) -> None:
        try:
            text = (self._folder / NAMES).read_bytes()
        except FileNotFoundError:
            if any(self._folder.glob("labels-seen-*")):
                raise SeenDamaged(NAMES, "is missing") from None
            return
        try:
            names = json.loads(text)
            self._names = {name for name in names if _parsed(name)}
        except (ValueError, TypeError, KeyError, IndexError):
            raise SeenDamaged(NAMES, "cannot be read") from None

    def _save_names(self) -> None:
        beside = self._folder / f".{NAMES}.new"
        with open(beside, "w", encoding="ascii", opener=_private) as file:
            json.dump(sorted(self._names), file)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self._folder / NAMES)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _name(process: int, part: int, numeric: bool) -> str:  # noqa: FBT001
    return f"labels-seen-{process:08x}-{part:04x}{'-n' if numeric else ''}"


def _parsed(name: str) -> tuple[int, int, bool]:
    words = name.removeprefix("labels-seen-").split("-")
    if not name.startswith("labels-seen-") or len(words) not in {2, 3}:
        raise ValueError(name)
    return int(words[0], 16), int(words[1], 16), len(words) == 3


def _header(process: int, part: int, numeric: bool) -> bytes:  # noqa: FBT001
    return HEADER.pack(MAGIC, process, part, WIDTHS[numeric])


def _marked(descriptor: int, rows: Mapping[int, float], numeric: bool) -> Iterable[tuple[int, float | None]]:  # noqa: FBT001
    width, before = WIDTHS[numeric], dict[int, float | None]()
    changed = False
    for slot, label in rows.items():
        at = HEADER.size + slot % SLOTS * width
        raw = os.pread(descriptor, width, at)
        if not raw[0]:
            before[slot] = None
        else:
            before[slot] = _NUMBER.unpack(raw)[1] if numeric else raw[0] - 1
        if before[slot] != label:
            os.pwrite(descriptor, _NUMBER.pack(1, label) if numeric else bytes((int(label) + 1,)), at)
            changed = True
    if changed:
        os.fdatasync(descriptor)
    return before.items()
