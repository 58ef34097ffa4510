"""Who answered in the last minutes: the first thing that a person at night wants to know."""

from collections import Counter, deque
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

    def record(self, record: Record) -> None:
        """Count it."""
        number = int(record.ended_at / BUCKET)
        if not self._buckets or self._buckets[-1][0] != number:
            self._buckets.append((number, Counter()))
        self._buckets[-1][1][record.source or "none"] += 1

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
