"""The second fence: whatever an exporter is about to send passes here, though nothing private should have come so far."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

from guard.privacy.detectors import DETECTORS, Scrub, compile_detectors

MOST_CHARACTERS: Final = 256
MOST_ITEMS: Final = 64
REMEMBERED: Final = 512
"""Texts: most of what leaves is the same few words of ours."""
UNREADABLE: Final = "[unreadable]"
PLAIN: Final = (bool, int, float)  # tuples, as `bool | int | float` is made anew at each call
ROWS: Final = (list, tuple)


def make_fence(scrub: Scrub) -> Callable[[object], object]:
    """Makes any value fit to leave: texts searched and cut, numbers as they are, of the rest its type's name."""
    text = lru_cache(REMEMBERED)(partial(_text, scrub=scrub))

    def fence(value: object) -> object:
        if value is None or isinstance(value, PLAIN):
            return value
        if isinstance(value, str):
            return text(value)
        if isinstance(value, ROWS):
            return [
                fence(item) if not isinstance(item, ROWS) else f"<{type(item).__name__}>" for item in value[:MOST_ITEMS]
            ]
        return f"<{type(value).__name__}>"

    return fence


def _text(value: str, scrub: Scrub) -> str:
    """A text that cannot be searched is not sent."""
    try:
        return scrub(value[: 4 * MOST_CHARACTERS])[0][:MOST_CHARACTERS]
    except Exception:  # noqa: BLE001 — whatever failed, never the raw value
        return UNREADABLE


fence: Final = make_fence(compile_detectors(tuple(DETECTORS)))
"""The fence that applies every detector."""
