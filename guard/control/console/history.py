"""Counts of the last hours by minute, and of the last minute by ten seconds: what the console draws without Prometheus.

A point is (route, kind, word, …) and a number; the kinds:

    source     answers by the rung that gave them; `none` for a request that was refused
    closed     rung and reason, for each rung that had no answer
    refused    the code of a refusal
    violation  `request` or `answer`, the declared field, and the code
    version    rung and version of an answer
    class      version, output and predicted class; what was not declared is `other`
    sum, count version and output of a predicted number: their quotient is the mean
    invalid    version of predictions that the output contract rejected
    seconds    upper bound of the duration in seconds, as a histogram has it

Nothing here is a value of a request. Memory is bounded by the number of points: the oldest minutes are forgotten first.
"""

import json
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from guard.proxy.values import Measure, Record

MINUTE: Final = 60.0
MINUTES: Final = 360
TEN: Final = 10.0
TENS: Final = 7
"""The last minute: six whole parts, and the one that has begun."""
MOST_POINTS: Final = 12_000
"""Points of all minutes: 3.5 MiB where each has a long key of its own."""
MOST_IN_MINUTE: Final = 2_000
MOST_CLASSES: Final = 50
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECENT: Final = frozenset(("source", "closed", "refused"))

Key: TypeAlias = tuple[str, ...]
Counts: TypeAlias = dict[Key, float]


class History:
    """A sink of records."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, Counts]] = deque()
        self._tens: deque[tuple[int, Counts]] = deque(maxlen=TENS)
        self._known: dict[Key, Key] = {}
        self._points = 0
        self.left_out = 0
        """Points that found no place."""

    def take(self, records: Iterator[Record]) -> None:
        """Count them."""
        for record in records:
            minute, ten = self._minute(record.ended_at), self._ten(record.ended_at)
            for key, number in points(record):
                if key[1] in RECENT:
                    ten[key] = ten.get(key, 0) + number
                self._add(minute, key, number)

    def copy(self, now: float, wall: float) -> "Snapshot":
        """A copy of the counts, which a thread may write. `now`: monotonic; `wall`: of the same moment."""
        newest = int(now / MINUTE)
        minutes = [(number, dict(counts)) for number, counts in self._minutes if newest - number < MINUTES]
        oldest = int(now / TEN) - TENS + 1
        recent: Counts = {}
        for number, counts in self._tens:
            if number >= oldest:
                for key, count in counts.items():
                    recent[key] = recent.get(key, 0) + count
        return Snapshot(newest, minutes, recent, wall - now, self.left_out)

    def _minute(self, ended: float) -> Counts:
        number = int(ended / MINUTE)
        if not self._minutes or self._minutes[-1][0] < number:
            self._minutes.append((number, {}))
            while len(self._minutes) > MINUTES:
                self._forget()
        return self._minutes[-1][1]

    def _ten(self, ended: float) -> Counts:
        number = int(ended / TEN)
        if not self._tens or self._tens[-1][0] < number:
            self._tens.append((number, {}))
        return self._tens[-1][1]

    def _add(self, minute: Counts, key: Key, number: float) -> None:
        if key in minute:
            minute[key] += number
            return
        if len(minute) >= MOST_IN_MINUTE:
            self.left_out += 1
            return
        while self._points >= MOST_POINTS and len(self._minutes) > 1:
            self._forget()
        minute[self._known.setdefault(key, key)] = number
        self._points += 1

    def _forget(self) -> None:
        self._points -= len(self._minutes.popleft()[1])
        if len(self._known) > MOST_IN_MINUTE * 2:
            self._known = {key: key for _, counts in self._minutes for key in counts}


class Snapshot:
    """The counts of one moment; nothing changes them, so a thread may write them."""

    def __init__(
        self, newest: int, minutes: list[tuple[int, Counts]], recent: Counts, offset: float, left_out: int
    ) -> None:
        self._newest, self._minutes, self._recent, self._offset, self._left_out = newest, minutes, recent, offset, left_out

    def text(self) -> bytes:
        """The document: series of numbers by minute, the last of them of the minute that has begun."""
        first = self._minutes[0][0] if self._minutes else self._newest
        length = self._newest - first + 1
        series: dict[Key, list[float]] = {}
        for number, counts in self._minutes:
            for key, count in counts.items():
                if key not in series:
                    series[key] = [0] * length
                series[key][number - first] += count
        begin = first * MINUTE + self._offset
        document: dict[str, Any] = {
            "format": "guard/history/v1",
            "from": int(begin),
            "step": int(MINUTE),
            "length": length,
            "left_out": self._left_out,
            "recent": [[*key, count] for key, count in sorted(self._recent.items())],
            "series": [{"of": list(key), "points": points} for key, points in sorted(series.items())],
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def points(record: Record) -> Iterator[tuple[Key, float]]:
    """The points that one record adds."""
    route = record.matched.key if record.matched is not None else ""
    yield (route, "source", record.source or "none"), 1
    for rung, reason in record.descents:
        yield (route, "closed", rung, reason), 1
    if record.code:
        yield (route, "refused", record.code), 1
    for violation in record.violations:
        yield (route, "violation", "request", violation.field or violation.pointer, violation.code), 1
    for violation in (*record.discarded, *record.answer_violations):
        yield (route, "violation", "answer", violation.field or violation.pointer, violation.code), 1
    if record.source is not None:
        yield (route, "version", record.source, record.version), 1
        yield (route, "seconds", _bound(record.ended_at - record.begun_at)), 1
    measures = record.matched.measures if record.matched is not None else ()
    for prediction in record.predictions:
        if not prediction.valid:
            yield (route, "invalid", prediction.version), 1
            continue
        for measure, values in zip(measures, prediction.values, strict=False):
            yield from _predicted(route, prediction.version, measure, values)


def _predicted(route: str, version: str, measure: Measure, values: Any) -> Iterator[tuple[Key, float]]:
    for value in values:
        if value is None:
            continue
        if measure.kind == "class":
            known = value in measure.classes[:MOST_CLASSES]
            yield (route, "class", version, measure.name, str(value) if known else "other"), 1
        elif measure.kind == "number" and isinstance(value, int | float):
            yield (route, "sum", version, measure.name), value
            yield (route, "count", version, measure.name), 1


def _bound(seconds: float) -> str:
    return next((str(bound) for bound in BOUNDS if seconds <= bound), "inf")
