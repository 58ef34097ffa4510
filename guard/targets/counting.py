"""The sink of the objectives: counts good and bad requests by route, in integers, ten seconds at a time. Compiled.

Counted against an objective is what the exported alerts count too (`guard.kit.export.scope`): not a refusal, which is the
client's fault, nor a client that left. `model_share` counts answers of any rung.
"""

from collections.abc import Iterator
from typing import Final, Protocol

from guard.proxy.values import CANDIDATE, MODEL, Record, Route

BUCKET: Final = 10.0
REFUSED: Final = 400
FAILED: Final = 500
MODELS: Final = frozenset((MODEL, CANDIDATE))
"""Sources that count as the model."""


class Tally:
    """The requests of one route since the last bucket was closed."""

    __slots__ = (
        "answered", "bad_probes", "counted", "failed", "latest", "lowered", "lowered_at", "others", "probes", "seen",
        "slow", "within",
    )  # fmt: skip

    def __init__(self, within: float) -> None:
        """`within`: the latency target in seconds; infinity without one."""
        self.within = within
        self.lowered = False  # because it burns: what calls the model then is a probe
        self.lowered_at = 0.0
        self.latest = 0.0
        self.clear()

    def clear(self) -> None:
        """Begin the next bucket."""
        self.seen = self.counted = self.failed = self.slow = self.answered = self.others = 0
        self.probes = self.bad_probes = 0

    def take(self, record: Record) -> None:
        """Count one."""
        self.seen += 1
        self.latest = record.ended_at
        status = record.status
        source = record.source
        if source is not None:
            self.answered += 1
            if source not in MODELS:
                self.others += 1
        if status < FAILED and (status >= REFUSED or not status):
            return
        self.counted += 1
        failed = status >= FAILED
        slow = record.ended_at - record.begun_at > self.within
        if failed:
            self.failed += 1
        if slow:
            self.slow += 1
        if self.lowered and record.begun_at >= self.lowered_at and record.attempts:
            self._probe(record, failed or slow or source not in MODELS)

    def _probe(self, record: Record, bad: bool) -> None:  # noqa: FBT001 — the compiled code passes it by place
        """Count what the model did although the route is lowered."""
        if record.attempts[0].target.source in MODELS:
            self.probes += 1
            self.bad_probes += bad


class Closes(Protocol):
    """Takes the tallies when a bucket is over."""

    def close(self, at: float) -> float:
        """Take what was counted until `at`; returns the end of the bucket that `at` is in. Both monotonic."""


class RequestCounter:
    """A Sink. `tallies`: by route key; other routes are not measured. `until`: monotonic end of the current bucket."""

    def __init__(self, closes: Closes) -> None:
        self.tallies: dict[str, Tally] = {}
        self.until = 0.0
        self._closes = closes

    def take(self, records: Iterator[Record]) -> None:
        """Count requests."""
        tallies = self.tallies
        if not tallies:
            return
        route: Route | None = None
        tally: Tally | None = None
        for record in records:
            matched = record.matched
            if matched is None:
                continue
            if record.ended_at >= self.until:
                self.until = self._closes.close(record.ended_at)
            if matched is not route:
                route, tally = matched, tallies.get(matched.key)
            if tally is not None:
                tally.take(record)
