"""Settings of the process: descriptors, garbage collection, and handlers for errors that nothing else catches."""

import asyncio
import gc
import resource
import sys
import threading
from time import monotonic
from traceback import extract_tb
from types import TracebackType
from typing import Any, Final, NamedTuple

from guard.control.place import place_of_error
from guard.events import LoopError, Publish

OWN: Final = 64
"""Descriptors for what is not a client: listeners, files, the log, idle connections."""
MOST: Final = 65536
PLACES: Final = 4096
"""Connections that the admin listener holds, and the ops listener, where the system leaves so many descriptors."""
LEAST: Final = 16
"""The number of descriptors below which guard warns."""
COLLECT: Final = (50_000, 20, 100)
"""A request leaves no cycles, so collections find nothing, and one in the midst of a large document multiplies its cost."""
SWITCH: Final = 0.0001
"""Seconds after which a thread that compiles, exports or writes lets the loop go on. Python's own 5 ms would be felt: an
export of 512 spans held requests up for ten."""


def at_service() -> None:
    """Freeze the objects that last, so that no garbage collection looks at them again."""
    gc.freeze()
    gc.set_threshold(*COLLECT)
    gc.enable()
    sys.setswitchinterval(SWITCH)


class Descriptors(NamedTuple):
    """Divide the descriptors among the listeners, so that none takes those of another."""

    data: int
    """Clients. Each needs a descriptor, and one more for its call."""
    admin: int
    ops: int


def descriptors(wanted: int) -> Descriptors:
    """Divide the descriptors of this process, of which the data listener gets what it wants or what is left.

    The soft limit is raised to the hard one first. A client beyond what is returned takes the place of another; out of
    descriptors, nobody could be accepted, no model server called and no order made durable.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY:
        soft = ceiling
    elif soft < ceiling:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
            soft = ceiling
        except (OSError, ValueError):
            pass
    each = max(LEAST, min(PLACES, soft // 8))
    return Descriptors(max(1, min(wanted, (soft - OWN - 2 * each) // 2)), each, each)


class LoopErrors:
    """Counts what only the loop catches, and publishes its type and its place, never a value; at most once a second."""

    def __init__(self, publish: Publish) -> None:
        self.count = 0
        self._publish = publish
        self._next = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's exception handler."""
        del loop
        self.count += 1
        if monotonic() < self._next:
            return
        self._next = monotonic() + 1.0
        error = context.get("exception")
        self._publish(
            LoopError(
                error=type(error).__name__,
                errno=getattr(error, "errno", None),
                place=place_of_error(error),
                count=self.count,
            )
        )


def quiet_crashes() -> None:
    """Say where an exception that nobody caught came from, and its type: its message may hold anything."""

    def report(kind: type[BaseException], _error: BaseException | None, trace: TracebackType | None) -> None:
        places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(extract_tb(trace)))
        sys.stderr.write(f"guard: crashed: {kind.__name__} in {places}\n")

    sys.excepthook = report
    threading.excepthook = lambda args: report(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: report(args.exc_type, args.exc_value, args.exc_traceback)
