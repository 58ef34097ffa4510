"""The meaning of a row of a receipt on one route: the classes of an output, the bounds of its score, and the segments."""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, log1p, prod
from typing import Any, Final, TypeAlias

MOST_CLASSES: Final = 20
MOST_SEGMENTS: Final = 20
MOST_COMBINATIONS: Final = 255
"""Combinations of segment values, one of which is `another value`: they are one byte of a receipt."""
SCORES: Final = 256

Row: TypeAlias = tuple[int, int, float]
"""Combination of segments; class, or 0; score from 0 to 255, or the number that was predicted."""


@dataclass(frozen=True)
class Layout:
    """The content of a route's receipts. Its digest is in each of them, so that a reload cannot change their meaning."""

    route: str
    output: str
    classes: tuple[Any, ...] = ()
    """Values of the output; empty if it is a number."""
    score: str = ""
    """Output with the score of the prediction; empty if there is none."""
    low: float | None = None
    """Bounds of the score, or of a number that is predicted."""
    high: float | None = None
    positive: int = -1
    """Index of the class whose probability the score is; -1: the score is the confidence in the predicted class."""
    segments: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    @cached_property
    def digest(self) -> bytes:
        """Four bytes that name this layout."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True).encode()).digest()[:4]

    @cached_property
    def packer(self) -> struct.Struct:
        """One row: the combination if there are segments, then class and score, or a number."""
        return struct.Struct(("!B" if self.segments else "!") + ("BB" if self.classes else "f"))

    @property
    def numeric(self) -> bool:
        """Whether a number is predicted."""
        return not self.classes

    def document(self) -> dict[str, Any]:
        """The layout as JSON."""
        return {
            "route": self.route, "output": self.output, "classes": list(self.classes), "score": self.score, "low": self.low,
            "high": self.high, "positive": self.positive,
            "segments": [[name, list(values)] for name, values in self.segments],
        }  # fmt: skip

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Layout":
        """The layout of a document. Raises KeyError, TypeError and ValueError."""
        segments = tuple((str(name), tuple(values)) for name, values in document["segments"])
        own = {**document, "classes": tuple(document["classes"]), "segments": segments}
        return cls(**{name: own[name] for name in cls.__dataclass_fields__})

    def label(self, value: object) -> int | float | None:
        """The index of a label among the classes, or the number; None if it is no label of this output."""
        if self.numeric:
            return _number(value)
        for index, known in enumerate(self.classes):
            if known == value and (type(known) is bool) == (type(value) is bool):
                return index
        text = value if isinstance(value, str) else None
        return next(
            (index for index, known in enumerate(self.classes) if text is not None and written(known) == text), None
        )

    def combination(self, row: Mapping[str, object]) -> int:
        """The number of a row's values of the segment fields. A value that is not declared is the last of its field."""
        number = 0
        for name, values in self.segments:
            value = row.get(name)
            try:
                index = values.index(value)
            except ValueError:
                index = len(values)
            number = number * (len(values) + 1) + index
        return number

    def segment_values(self, combination: int) -> list[tuple[str, str]]:
        """The fields and values that a combination stands for; without those that are not declared."""
        found: list[tuple[str, str]] = []
        for name, values in reversed(self.segments):
            combination, index = divmod(combination, len(values) + 1)
            if index < len(values):
                found.append((name, written(values[index])))
        return found[::-1]

    def byte(self, value: float) -> int:
        """A score or a prediction as one of 256 levels: of its bounds, or of its magnitude where it has none."""
        low, high = self.low, self.high
        if low is not None and high is not None and high > low:
            place = (value - low) / (high - low) * 255
            return int(min(255.0, max(0.0, place)) + 0.5)
        size = min(127, int(4 * log1p(abs(value))))
        return 128 + size if value >= 0 else 127 - size


def combinations(segments: Sequence[tuple[str, Sequence[object]]]) -> int:
    """The number of combinations of these segments."""
    return prod(len(values) + 1 for _, values in segments)


def written(value: object) -> str:
    """A class as text, as metrics write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number: float = struct.unpack("!f", struct.pack("!f", float(value)))[0]
    except (OverflowError, struct.error):
        return None
    return number if isfinite(number) else None
