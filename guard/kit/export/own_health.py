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

    yield Alert(
        name="GuardLoopErrors",
        expr=more(of.LOOP_ERRORS, ""),
        wait="0m",
        severity="ticket",
        role="serving",
        summary=f"{scope.service}: guard met a bug of its own",
        description="{{ $value | humanize }} errors in a quarter of an hour; the log's loop_error names the place.",
    )
    yield Alert(
        name="GuardTaskCrashed",
        expr=more(of.TASK_CRASHES, "guard_task"),
        wait="0m",
        severity="ticket",
        role="serving",
        summary=f"{scope.service}: guard's background task {{{{ $labels.guard_task }}}} ended with an error",
        description="It was started again. The events task_crashed and task_stuck in the log name the place.",
    )
    yield Alert(
        name="GuardSubscriberCrashed",
        expr=more(of.SUBSCRIBER_CRASHES, "guard_subscriber"),
        wait="0m",
        severity="ticket",
        role="serving",
        summary=f"{scope.service}: guard's {{{{ $labels.guard_subscriber }}}} lost an event",
        description="A bug of guard: what happened is missing there. The others have it.",
    )
    yield Alert(
        name="GuardLoopStalled",
        expr=more(of.LOOP_STALLS, "guard_place", STALLS),
        wait="0m",
        severity="ticket",
        role="serving",
        summary=f"{scope.service}: guard's event loop stands still at {{{{ $labels.guard_place }}}}",
        description="{{ $value | humanize }} times for more than 100 ms in a quarter of an hour; requests wait meanwhile.",
    )
    yield Alert(
        name="GuardFileUnreadable",
        expr=f"max by (guard_file) ({scope.series(of.FILE_UNREADABLE)}) > 0",
        wait="1m",
        severity="ticket",
        role="serving",
        summary=f"{scope.service}: guard cannot read its {{{{ $labels.guard_file }}}}",
        description="What it said last holds; a change is not seen. The event file_unreadable in the log says why.",
    )
