"""Labels whose values come from traffic: the first fifty, then `other` (docs/telemetry.md#what-never-leaves)."""

from typing import Final

MOST: Final = 50
OTHER: Final = "other"


class CardinalityLimiter:
    """Passes a limited number of different values."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """The value, or `other`."""
        if value in self._seen:
            return value
        if len(self._seen) >= self._most:
            return OTHER
        self._seen.add(value)
        return value
