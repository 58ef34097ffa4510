"""Places in the code, as `file:line:function` and never with a value.

The innermost frame of guard is named, since that is where a reader of guard can look; where there is none, the innermost
frame of the library. Paths are shortened to what is the same on every machine.
"""

import asyncio
from pathlib import Path
from types import FrameType
from typing import Any, Final

import guard

ROOT: Final = str(Path(guard.__file__).parent)
UNKNOWN: Final = "unknown"
LOOP: Final = (
    "uvloop/__init__.py", "asyncio/runners.py", "asyncio/base_events.py", "asyncio/events.py", "selectors.py",
)  # fmt: skip
"""Files of the loop itself, whose frames lie below those of everything that it calls."""
LIBRARIES: Final = ("site-packages/", "dist-packages/")


def place_of_error(error: BaseException | None) -> str:
    """The place that raised an error."""
    own = innermost = UNKNOWN
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        frame = trace.tb_frame
        innermost = written(frame, trace.tb_lineno)
        if is_own(frame):
            own = innermost
        trace = trace.tb_next
    return own if own != UNKNOWN else innermost


def place_of_task(task: "asyncio.Task[Any]") -> str:
    """The place at which a task waits: the innermost visible await of guard."""
    own = innermost = UNKNOWN
    waited: Any = task.get_coro()
    while (frame := getattr(waited, "cr_frame", None)) is not None:
        innermost = written(frame)
        if is_own(frame):
            own = innermost
        waited = waited.cr_await
    return own if own != UNKNOWN else innermost


def place_of_stall(frame: FrameType) -> str:
    """The place of a thread that runs a loop; empty if it is in the loop itself, or in compiled code called from it."""
    innermost = ""
    walked: FrameType | None = frame
    while walked is not None and not walked.f_code.co_filename.endswith(LOOP):
        if is_own(walked):
            return written(walked)
        innermost = innermost or written(walked)
        walked = walked.f_back
    return innermost


def is_own(frame: FrameType) -> bool:
    """Whether a frame runs code of guard. Compiled code names its files from the root of the source."""
    name = frame.f_code.co_filename
    return name.startswith((ROOT, "guard/"))


def written(frame: FrameType, line: int | None = None) -> str:
    """A frame as `file:line:function`."""
    code = frame.f_code
    return f"{shortened(code.co_filename)}:{line or frame.f_lineno}:{code.co_qualname}"


def shortened(filename: str) -> str:
    """The path of a file from its package on."""
    if filename.startswith(ROOT):
        return f"guard{filename[len(ROOT) :]}"
    if filename.startswith("guard/"):
        return filename
    for mark in LIBRARIES:
        _, separator, rest = filename.rpartition(mark)
        if separator:
            return rest
    return "/".join(Path(filename).parts[-2:])
