"""Shares of answers by source in the last minutes: the first question of a person on call."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from typing import Final

from guard.proxy.values import Record

BUCKET: Final = 10.0
BUCKETS: Final = 30
"""Five minutes."""


class SourceWindow:
    """A sink: answers by source, and refusals as `none`, in buckets of ten seconds."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, defaultdict[str, int]]] = deque(maxlen=BUCKETS)
        self._before: tuple[int, Counter[str]] = (0, Counter())

    def take(self, records: Iterator[Record]) -> None:
        """Count them."""
        number, counts = self._buckets[-1] if self._buckets else (-1, defaultdict(int))
        until = (number + 1) * BUCKET
        source, alike = "", 0
        for record in records:
            answered = record.source or "none"
            if answered != source or record.ended_at >= until:
                if alike:
                    counts[source] += alike
                source, alike = answered, 0
                if record.ended_at >= until:
                    number, counts = int(record.ended_at / BUCKET), defaultdict(int)
                    self._buckets.append((number, counts))
                    until = (number + 1) * BUCKET
            alike += 1
        if alike:
            counts[source] += alike

    def counts(self, now: float) -> Counter[str]:
        """Answers of the last five minutes."""
        return self._after(int(now / BUCKET) - BUCKETS)

    def decided(self) -> None:
        """Forget the latest source: after an order it no longer describes what answers now."""
        if self._buckets:
            number, counts = self._buckets[-1]
            self._before = number, Counter(counts)

    def latest(self, now: float) -> str | None:
        """The source of most answers of the last twenty seconds, since the last decision; None where there were none."""
        turned, before = self._before
        oldest = max(int(now / BUCKET) - 2, turned - 1)
        counts = self._after(oldest)
        if turned > oldest:
            counts -= before
        counts.pop("none", None)
        return max(counts, key=lambda source: counts[source]) if counts else None

    def _after(self, oldest: int) -> Counter[str]:
        recent: Counter[str] = Counter()
        for number, counts in self._buckets:
            if number > oldest:
                recent.update(counts)
        return recent
