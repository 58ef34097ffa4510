"""Counts of what receipts were issued and what labels came, for one layout, model version and period of prediction.

A prediction is a *cell*, one integer: `combination << 13 | class << 8 | score`. Counts by cell hold all that figures need
and nothing of a single prediction. A period is a day; where labels are mature within less, it is as long as that, and
joins its day once it is mature.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from guard.labels.layout import Layout, Row

DAY: Final = 86400
MOST_CELLS: Final = 20_000
"""Cells of a period that are counted one by one; others are rounded to sixteen levels of the score."""
DELAYS: Final = (3600.0, 6 * 3600.0, 86400.0, 3 * 86400.0, 7 * 86400.0, 14 * 86400.0, 30 * 86400.0, 45 * 86400.0)
"""Bounds of the buckets of the delay from prediction to label, in seconds."""
SUMS: Final = 5
"""Sums of a numeric cell: n, e, e², |e|, e⁴, with e = prediction - label."""


def cell(layout: Layout, row: Row) -> int:
    """The cell of a prediction."""
    combination, class_, score = row
    return combination << 13 | class_ << 8 | (layout.byte(score) if layout.numeric else int(score))


def parts(number: int) -> tuple[int, int, int]:
    """(combination, class, score) of a cell."""
    return number >> 13, number >> 8 & 31, number & 255


@dataclass
class Cohort:
    """The counts of one period. `until`: its end, in seconds since the epoch."""

    until: float = 0.0
    issued: dict[int, int] = field(default_factory=dict)
    labelled: dict[int, dict[int, int]] = field(default_factory=dict)
    """Cell → label → count, for classes."""
    sums: dict[int, list[float]] = field(default_factory=dict)
    """Cell → sums of errors, for numbers."""
    delays: list[int] = field(default_factory=lambda: [0] * (len(DELAYS) + 1))
    delay_sum: float = 0.0
    corrected: int = 0

    def issue(self, number: int) -> None:
        """Count a prediction that was handed out with a receipt."""
        issued = self.issued
        issued[number] = issued.get(number, 0) + 1
        if len(issued) > MOST_CELLS:
            issued[number] -= 1
            if not issued[number]:
                del issued[number]
            number = number & ~15 | 8
            issued[number] = issued.get(number, 0) + 1

    def take(self, layout: Layout, row: Row, label: float, before: float | None) -> None:
        """Count a label. `before`: the label of the same row that this one replaces."""
        number = cell(layout, row)
        if number not in self.issued:  # of another replica, or of a period with too many cells
            coarse = number & ~15 | 8
            number = coarse if coarse in self.issued and len(self.issued) >= MOST_CELLS else number
        if layout.numeric:
            if before is not None:
                self._add(number, row[2] - before, -1)
            self._add(number, row[2] - label, 1)
            return
        counts = self.labelled.setdefault(number, {})
        if before is not None and counts.get(int(before)):
            counts[int(before)] -= 1
        counts[int(label)] = counts.get(int(label), 0) + 1

    def _add(self, number: int, error: float, sign: int) -> None:
        sums = self.sums.setdefault(number, [0.0] * SUMS)
        square = error * error
        for index, value in enumerate((1.0, error, square, abs(error), square * square)):
            sums[index] += sign * value

    def note_delay(self, seconds: float) -> None:
        """Count the time from the prediction to the label."""
        index = next((index for index, bound in enumerate(DELAYS) if seconds <= bound), len(DELAYS))
        self.delays[index] += 1
        self.delay_sum += seconds

    @property
    def labels(self) -> int:
        """The number of rows that have a label."""
        if self.sums:
            return round(sum(sums[0] for sums in self.sums.values()))
        return sum(sum(counts.values()) for counts in self.labelled.values())

    def document(self) -> dict[str, Any]:
        """The counts as JSON. Each copy is one step, so that it may be made in a thread while counting goes on."""
        return {
            "until": self.until,
            "issued": [[number, count] for number, count in dict(self.issued).items()],
            "labelled": [[number, sorted(counts.items())] for number, counts in _copied(self.labelled)],
            "sums": [[number, list(sums)] for number, sums in dict(self.sums).items()],
            "delays": list(self.delays), "delay_sum": self.delay_sum, "corrected": self.corrected,
        }  # fmt: skip

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Cohort":
        """The counts of a document. Raises KeyError, TypeError and ValueError."""
        delays = [int(count) for count in document["delays"]]
        if len(delays) != len(DELAYS) + 1:
            raise ValueError("not the buckets of this version of guard")
        return cls(
            float(document["until"]),
            {int(number): int(count) for number, count in document["issued"]},
            {int(number): {int(label): int(count) for label, count in counts} for number, counts in document["labelled"]},
            {int(number): [float(value) for value in sums] for number, sums in document["sums"]},
            delays, float(document["delay_sum"]), int(document["corrected"]),
        )  # fmt: skip


def period(moment: float, maturity: float) -> tuple[int, int]:
    """The period of a prediction: its begin in seconds since the epoch, and its length."""
    length = DAY if maturity >= DAY else max(1, int(maturity))
    begin = int(moment) // length * length
    return begin, length


def folded(begin: int) -> int:
    """The key of the mature part of the day of a period that is shorter than a day."""
    return -(begin // DAY * DAY)


def _copied(labelled: dict[int, dict[int, int]]) -> Iterator[tuple[int, dict[int, int]]]:
    for number, counts in dict(labelled).items():
        yield number, dict(counts)
