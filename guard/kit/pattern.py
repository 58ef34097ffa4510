"""A text that a pattern allows: the shortest way through it, each repetition as seldom as it may be, or a little more.

The policy's patterns are Rust's; they are read here as Python reads them, which for all that has no look-around or
back-reference is nearly the same. Who uses the text holds it against the contract itself.
"""

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Final

from re import _constants as op, _parser as parser  # type: ignore[attr-defined]  # isort: skip

_CLASSES: Final = {op.CATEGORY_DIGIT: "0", op.CATEGORY_WORD: "a", op.CATEGORY_SPACE: " ", op.CATEGORY_NOT_DIGIT: "a",
                   op.CATEGORY_NOT_SPACE: "a", op.CATEGORY_NOT_WORD: "-"}  # fmt: skip
_CANDIDATES: Final = "aA0 -_.xX1"
MOST: Final = 1000


def written(pattern: str, more: int = 0) -> str | None:
    """`more`: how much oftener than it must be each part is repeated. None where nothing was found."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of forms that a later Python reads otherwise
            text = _sequence(parser.parse(pattern.replace(r"\z", r"\Z").replace("(?<", "(?P<")), more)
        return text if len(text) <= MOST else None
    except (re.error, LookupError, RecursionError, OverflowError, MemoryError, ValueError):
        return None


def _sequence(items: Iterable[tuple[Any, Any]], more: int) -> str:
    return "".join([_one(kind, value, more) for kind, value in items])


def _one(kind: Any, value: Any, more: int) -> str:
    match kind:
        case op.LITERAL:
            return chr(value)
        case op.NOT_LITERAL:
            return next(one for one in _CANDIDATES if ord(one) != value)
        case op.IN:
            return _member(value)
        case op.MAX_REPEAT | op.MIN_REPEAT | op.POSSESSIVE_REPEAT:
            least, most, below = value
            if least > MOST:
                raise ValueError
            return _sequence(below, more) * min(int(most), int(least) + more)
        case op.SUBPATTERN | op.ATOMIC_GROUP:
            return _sequence(value[-1] if kind is op.SUBPATTERN else value, more)
        case op.BRANCH:
            return min((_sequence(way, more) for way in value[1]), key=len)
        case op.ANY | op.AT:
            return "x" if kind is op.ANY else ""
    raise LookupError(kind)


def _member(items: Sequence[tuple[Any, Any]]) -> str:
    if items[0][0] is op.NEGATE:
        return next((one for one in _CANDIDATES if not any(_holds(item, one) for item in items[1:])), "~")
    kind, value = items[0]
    match kind:
        case op.RANGE:
            return chr(value[0])
        case op.CATEGORY:
            return str(_CLASSES[value])
    return chr(value)


def _holds(item: tuple[Any, Any], one: str) -> bool:
    kind, value = item
    match kind:
        case op.RANGE:
            return bool(value[0] <= ord(one) <= value[1])
        case op.CATEGORY:
            return re.match(_WORDS[value], one) is not None
    return bool(ord(one) == value)


_WORDS: Final = {op.CATEGORY_DIGIT: r"\d", op.CATEGORY_WORD: r"\w", op.CATEGORY_SPACE: r"\s",
                 op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_NOT_WORD: r"\W", op.CATEGORY_NOT_SPACE: r"\S"}  # fmt: skip
