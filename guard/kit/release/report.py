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
    for name, value in metrics.items():
        if name in numbers and not math.isclose(numbers[name], value, rel_tol=1e-9):
            yield f"{path} reports {name} {numbers[name]}, but --metric gives {value}"


def readable(path: Path) -> bool:
    """Whether its numbers could be compared: JSON, and not larger than MOST_BYTES. Raises OSError."""
    return _parsed(path) is not None


def _numbers(path: Path) -> dict[str, float]:
    document = _parsed(path) or {}
    below = document.get("metrics")
    members = {**document, **(below if isinstance(below, dict) else {})}
    return {
        name: value for name, value in members.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _parsed(path: Path) -> dict[str, Any] | None:
    raw = read_at_most(path, MOST_BYTES)
    if len(raw) > MOST_BYTES:
        return None
    try:
        document = parse_file(raw)
    except Unreadable:
        return None
    return document if isinstance(document, dict) else None
