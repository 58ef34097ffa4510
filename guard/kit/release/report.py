"""An evaluation's report. Nothing is taken from it; where it has a number that was given, the two must agree."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from guard.contract.strict import Unreadable, parse_file
from guard.kit.files import read_at_most

MOST_BYTES: Final = 16 << 20


def disagreements(path: Path, metrics: Mapping[str, int | float]) -> Iterator[str]:
    """Each metric for which the report has another number, at its top or below `metrics`. Raises OSError."""
    numbers = _numbers(path)
    for name, given in metrics.items():
        if name in numbers and not math.isclose(numbers[name], given, rel_tol=1e-9):
            yield f"{path} reports {name} {numbers[name]}, but --metric gives {given}"


def readable(path: Path) -> bool:
    """Whether its numbers could be compared: JSON, and not larger than MOST_BYTES. Raises OSError."""
    return _parsed(path) is not None


def _numbers(path: Path) -> dict[str, float]:
    document = _parsed(path) or {}
    below = document.get("metrics")
    found = {**document, **(below if isinstance(below, dict) else {})}
    return {name: one for name, one in found.items() if isinstance(one, int | float) and not isinstance(one, bool)}


def _parsed(path: Path) -> dict[str, Any] | None:
    raw = read_at_most(path, MOST_BYTES)
    if len(raw) > MOST_BYTES:
        return None
    try:
        document = parse_file(raw)
    except Unreadable:
        return None
    return document if isinstance(document, dict) else None
