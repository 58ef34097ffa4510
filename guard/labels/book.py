"""Hands out receipts for the answers of a route, and counts what they hold."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from guard.labels.counts import Cohort, cell
from guard.labels.layout import MOST_CLASSES, Layout, Row
from guard.labels.receipt import FORMAT, HEADER, MOST_BATCH, Keyring, drawn, room, version_key
from guard.proxy.values import Values

LAST_SLOT: Final = (1 << 32) - 1
GOLDEN: Final = 0x9E3779B9
"""2³² ÷ the golden ratio: its multiples are spread evenly, so that any share of receipts is drawn evenly."""


Instances: TypeAlias = Callable[[object, int], Sequence[Mapping[str, Any]]]
"""(judged document, most) → its first instances, by field name."""


class Sequence32:
    """Slots of one process. A new process number begins when they are used up."""

    def __init__(self, process: Callable[[], int]) -> None:
        self._process = process
        self.process, self._slot, self._count = process(), 0, 0

    def take(self, rows: int) -> tuple[int, int]:
        """(process, first slot) of so many rows."""
        if self._slot + rows > LAST_SLOT:
            self.process, self._slot = self._process(), 0
        slot = self._slot
        self._slot += rows
        return self.process, slot

    def drawn(self, threshold: int) -> bool:
        """Whether the next answer is among a share of `threshold` / 2³²."""
        self._count += 1
        return (self._count * GOLDEN & LAST_SLOT) < threshold


class Issuer:
    """Hands out the receipts of one route."""

    def __init__(
        self,
        layout: Layout,
        measures: Sequence[str],
        keyring: Keyring,
        share: float,
        sequence: Sequence32,
        cohort: Callable[[Layout, str, float], Cohort],
        instances: Instances,
    ) -> None:
        """`measures`: the names of a prediction's values, in order. `cohort`: counts of (layout, version, wall time)."""
        self.layout = layout
        self._keyring, self._sequence, self._cohort, self._instances = keyring, sequence, cohort, instances
        self._threshold = round(share * (1 << 32))
        self._output = measures.index(layout.output)
        self._score = measures.index(layout.score) if layout.score and not layout.numeric else -1
        self._index = {value: index for index, value in enumerate(layout.classes[:MOST_CLASSES])}
        self._most = room(layout)
        self._version, self._until, self._key = "", 0.0, b""
        self._counts: Cohort

    def __call__(self, values: Values, version: str, document: object, wall: float) -> bytes | None:
        """The receipt of an answer; None if it is not drawn, or if its values are not those of the contract."""
        if not self._sequence.drawn(self._threshold):
            return None
        outputs = values[self._output]
        total = len(outputs)
        if not 0 < total <= MOST_BATCH:
            return None
        process, slot = self._sequence.take(min(total, self._most))
        wanted = drawn(slot, total, self._most)
        segments = self._instances(document, wanted[-1] + 1) if self.layout.segments else ()
        rows = [self._row(values, outputs, at, segments) for at in wanted]
        if None in rows:
            return None
        cohort, layout, packed = self._counts_of(version, wall), self.layout, []
        for row in rows:
            assert row is not None
            cohort.issue(cell(layout, row))
            own = row[1:] if not layout.numeric else row[2:]
            packed.append(layout.packer.pack(*(row[:1] if layout.segments else ()), *own))
        header = HEADER.pack(FORMAT, self._keyring.number, int(wall), layout.digest, self._key, process, slot, total)
        return self._keyring.sign(header + b"".join(packed))

    def _counts_of(self, version: str, wall: float) -> Cohort:
        """The counts of a version's answers of this period."""
        if wall >= self._until or version != self._version:
            self._version, self._key = version, version_key(version)
            self._counts = self._cohort(self.layout, version, wall)
            self._until = self._counts.until
        return self._counts

    def _row(self, values: Values, outputs: Sequence[Any], at: int, segments: Sequence[Mapping[str, Any]]) -> Row | None:
        value = outputs[at]
        combination = 0
        if segments:
            combination = self.layout.combination(segments[at]) if at < len(segments) else 0
        try:
            if self.layout.numeric:
                return combination, 0, _single(value)
            score = self.layout.byte(values[self._score][at]) if self._score >= 0 else 0  # type: ignore[arg-type]
            return combination, self._index[value], score
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            return None


def _single(value: Any) -> float:
    """The number as a receipt holds it. Raises TypeError and ValueError for another value."""
    number = Layout("", "").label(None if isinstance(value, str) else value)
    if number is None:
        raise ValueError
    return number
