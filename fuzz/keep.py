"""Choose the few inputs that together cover what all of them cover.

Not libFuzzer's merge: its coverage counters come and go with the bytecode of a Python release, and it keeps every input
that adds a hit count. Here an arc is a step from one line to another in guard or in an oracle, and one input that takes
it is enough.
"""

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import TypeAlias

MOST_FILES = 60
MOST_BYTES = 2048
TRACED = ("/guard/", "/fuzz/", "/h11/", "/json/")
Arc: TypeAlias = tuple[str, int, int]


def arcs(check: Callable[[bytes], None], data: bytes) -> frozenset[Arc] | None:
    """The steps that one input takes; None where it breaks a law, for then it belongs among the crashes."""
    taken: set[Arc] = set()
    last: dict[FrameType, int] = {}

    def line(frame: FrameType, event: str, _: object) -> object:
        if event == "line":
            taken.add((frame.f_code.co_filename, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        elif event == "return":
            last.pop(frame, None)
        return line

    def begin(frame: FrameType, _event: str, _: object) -> object:
        return line if any(part in frame.f_code.co_filename for part in TRACED) else None

    before = sys.gettrace()
    sys.settrace(begin)
    try:
        check(data)
    except Exception:  # noqa: BLE001 — whatever it is, it is no input to keep
        return None
    finally:
        sys.settrace(before)
    return frozenset(taken)


def keep(target: str, folders: Iterable[Path], to: Path) -> str:
    """Write the chosen inputs, smallest that do, greediest first; say how many and what they cover."""
    module = importlib.import_module(f"fuzz.{target}")
    inputs = {path.read_bytes() for folder in folders if folder.is_dir() for path in folder.iterdir()} | set(module.seeds())
    small = sorted((data for data in inputs if len(data) <= MOST_BYTES), key=lambda data: (len(data), data))
    covers = {data: found for data in small if (found := arcs(module.check, data)) is not None}
    everything = frozenset[Arc]().union(*covers.values())
    chosen: list[bytes] = []
    missing = set(everything)
    while missing and len(chosen) < MOST_FILES:
        best = max(covers, key=lambda data: (len(covers[data] & missing), -len(data)))
        chosen.append(best)
        missing -= covers[best]
    to.mkdir(parents=True, exist_ok=True)
    for old in to.iterdir():
        old.unlink()
    for data in chosen:
        (to / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return f"{target}: {len(chosen)} of {len(inputs)} files, {len(everything) - len(missing)} of {len(everything)} arcs"
