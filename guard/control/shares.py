"""Who answered in the last minutes: the first thing that a person at night wants to know."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Final

from guard.proxy.values import Record

BUCKET: Final = 10.0
BUCKETS: Final = 30
"""Five minutes."""


class Shares:
    """A sink: answers by source, and refusals as `none`, in buckets of ten seconds."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, Counter[str]]] = deque(maxlen=BUCKETS)
        self._before: tuple[int, Counter[str]] = (0, Counter())

    def take(self, records: Iterator[Record]) -> None:
        """Count them."""
        number, counts = self._buckets[-1] if self._buckets else (0, Counter())
        for record in records:
            if int(record.ended_at / BUCKET) != number:
                number, counts = int(record.ended_at / BUCKET), Counter()
                self._buckets.append((number, counts))
            source = record.source or "none"
            counts[source] = counts.get(source, 0) + 1  # not `+=`, which asks for a missing key each time

    def counts(self, now: float) -> Counter[str]:
        """Answers of the last five minutes."""
        oldest = int(now / BUCKET) - BUCKETS
        return sum((counts for number, counts in self._buckets if number > oldest), Counter())

    def decided(self) -> None:
        """Somebody decided who may answer: who answered before says nothing of now."""
        if self._buckets:
            number, counts = self._buckets[-1]
            self._before = number, counts.copy()

    def latest(self, now: float) -> str | None:
        """The source of most answers of the last twenty seconds, since the last decision; None where there were none."""
        turned, before = self._before
        oldest = max(int(now / BUCKET) - 2, turned - 1)
        found = sum((counts for number, counts in self._buckets if number > oldest), Counter[str]())
        if turned > oldest:
            found -= before
        found.pop("none", None)
        return max(found, key=lambda source: found[source]) if found else None
