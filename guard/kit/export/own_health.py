"""Alerts on guard's own health: bugs that it survived, background tasks, stalls of its loop, files that it cannot read.

None of them pages: requests are answered meanwhile. Each says that something which acts later (a kill file, a reload, a
webhook) may not act, which nobody would see otherwise.
"""

from collections.abc import Iterator
from typing import Final

from guard.kit.export.scope import Scope
from guard.kit.export.values import Alert
from guard.telemetry import instruments as of
from guard.telemetry.accumulators import Instrument

WINDOW: Final = "15m"
STALLS: Final = 10
"""Stalls of the loop in a quarter of an hour: one large document now and then is not worth a ticket."""


def own_health(scope: Scope) -> Iterator[Alert]:
    """Always exported: no policy turns it off."""

    def more(instrument: Instrument, by: str, than: int = 0) -> str:
        return f"sum{f' by ({by})' if by else ''} ({scope.increase(instrument, WINDOW)}) > {than}"

    unreadable = f"max by (guard_file) ({scope.series(of.FILE_UNREADABLE)}) > 0"
    for name, expr, wait, summary, description in (
        (
            "GuardLoopErrors", more(of.LOOP_ERRORS, ""), "0m", "guard met a bug of its own",
            "{{ $value | humanize }} errors in a quarter of an hour. The event loop_error in the log names the place.",
        ),
        (
            "GuardTaskCrashed", more(of.TASK_CRASHES, "guard_task"), "0m",
            "guard's background task {{ $labels.guard_task }} ended with an error",
            "Guard started it again. The events task_crashed and task_stuck in the log name the place.",
        ),
        (
            "GuardSubscriberCrashed", more(of.SUBSCRIBER_CRASHES, "guard_subscriber"), "0m",
            "guard's {{ $labels.guard_subscriber }} lost an event",
            "This is a bug of guard. The event is missing there; the other subscribers have it.",
        ),
        (
            "GuardLoopStalled", more(of.LOOP_STALLS, "guard_place", STALLS), "0m",
            "guard's event loop stands still at {{ $labels.guard_place }}",
            "It stood still {{ $value | humanize }} times for more than 100 ms in a quarter of an hour. Requests waited.",
        ),
        (
            "GuardFileUnreadable", unreadable, "1m", "guard cannot read its {{ $labels.guard_file }}",
            "The last content that was read stays in force. The event file_unreadable in the log says why.",
        ),
    ):  # fmt: skip
        yield Alert(name, expr, f"{scope.service}: {summary}", description, wait)
