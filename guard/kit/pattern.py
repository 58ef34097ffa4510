"""A text that a pattern allows: the shortest way through it, each repetition as seldom as it may be, or a little more.

Reads the part of Rust's regex syntax (docs.rs/regex) that patterns of fields are written in: literals, escapes, classes
without operators, groups, alternatives and repetitions. For anything else there is no text. A caller holds the text against
the field itself: flags such as `(?i)` are read and ignored.
"""

from collections.abc import Callable, Mapping
from typing import Final

MOST: Final = 1000
"""Characters of a text."""
_CANDIDATES: Final = "aA0 -_.xX1~"
_CLASSES: Final[Mapping[str, Callable[[str], bool]]] = {
    "d": lambda item: "0" <= item <= "9", "D": lambda item: not "0" <= item <= "9",
    "s": str.isspace, "S": lambda item: not item.isspace(),
    "w": lambda item: item.isalnum() or item == "_", "W": lambda item: not (item.isalnum() or item == "_"),
}  # fmt: skip
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_ANCHORS: Final = "AzbB"
_HEX: Final = {"x": 2, "u": 4, "U": 8}


def written(pattern: str, more: int = 0) -> str | None:
    """`more`: how much oftener than it must be each part is repeated. None where nothing was found."""
    try:
        text = _Reader(pattern, more).example()
    except (ValueError, IndexError, OverflowError, RecursionError):
        return None
    return text if len(text) <= MOST else None


class _Reader:
    """Reads a pattern from left to right. Raises ValueError for what it does not know, IndexError for an early end."""

    def __init__(self, pattern: str, more: int) -> None:
        self._rest = list(reversed(pattern))
        self._more = more

    def example(self) -> str:
        """The shortest text of the whole pattern."""
        text = self._alternatives()
        if self._rest:
            raise ValueError("a bracket that nothing opened")
        return text

    def _next(self) -> str:
        return self._rest.pop()

    def _is(self, *characters: str) -> bool:
        return bool(self._rest) and self._rest[-1] in characters

    def _accept(self, character: str) -> bool:
        return self._is(character) and bool(self._next())

    def _until(self, end: str) -> str:
        text = ""
        while not self._accept(end):
            text += self._next()
        return text

    def _alternatives(self) -> str:
        ways = [self._sequence()]
        while self._accept("|"):
            ways.append(self._sequence())
        return min(ways, key=len)

    def _sequence(self) -> str:
        text = ""
        while self._rest and not self._is("|", ")"):
            text += self._repeated(self._atom())
            if len(text) > MOST:
                raise OverflowError
        return text

    def _atom(self) -> str:
        match character := self._next():
            case "(":
                return self._group()
            case "[":
                return self._member()
            case "\\":
                literal, allowed = self._escape()
                return literal if allowed is None else next(filter(allowed, _CANDIDATES))
            case "^" | "$":
                return ""
            case ".":
                return "x"
        return character

    def _group(self) -> str:
        if self._accept("?"):
            if self._accept("P") or self._is("<"):
                self._until(">")
            else:
                flags = ""
                while not self._is(":", ")"):
                    flags += self._next()
                if "x" in flags:
                    raise ValueError("blanks without a meaning")
                if self._accept(")"):
                    return ""
                self._next()
        text = self._alternatives()
        if not self._accept(")"):
            raise ValueError("a group without an end")
        return text

    def _repeated(self, text: str) -> str:
        while self._is("*", "+", "?", "{"):
            least, most = self._bounds()
            self._accept("?")
            if least > MOST:
                raise OverflowError
            text *= min(most, least + self._more)
        return text

    def _bounds(self) -> tuple[int, int]:
        match self._next():
            case "*":
                return 0, MOST
            case "+":
                return 1, MOST
            case "?":
                return 0, 1
        least, comma, most = self._until("}").partition(",")
        return int(least or 0), int(most) if most.strip() else MOST if comma else int(least)

    def _escape(self) -> tuple[str, Callable[[str], bool] | None]:
        """A literal, or what a class allows."""
        name = self._next()
        if name in _CLASSES:
            return "", _CLASSES[name]
        if name in _HEX:
            digits = self._until("}") if self._accept("{") else "".join(self._next() for _ in range(_HEX[name]))
            return chr(int(digits, 16)), None
        if name in _CONTROLS:
            return _CONTROLS[name], None
        if name in _ANCHORS:
            return "", None
        if name.isalnum():
            raise ValueError("an escape of another kind")
        return name, None

    def _member(self) -> str:
        """The first character that a class allows, or a usual one where it says what is not allowed."""
        negated = self._accept("^")
        firsts: list[str] = []
        allowed: list[Callable[[str], bool]] = []
        while not self._is("]") or not allowed:
            first = self._next()
            if first == "[" or (first in "&~-" and self._is(first)):
                raise ValueError("a class in a class")
            if first == "\\":
                first, own = self._escape()
                if own is not None:
                    allowed.append(own)
                    continue
            last = first
            if self._is("-") and len(self._rest) > 1 and self._rest[-2] != "]":
                self._next()
                last = self._next()
                if last == "\\":
                    last, _ = self._escape()
            firsts.append(first)
            allowed.append(lambda item, low=first, high=last: low <= item <= high)  # type: ignore[misc]
        self._next()
        usual = (item for item in _CANDIDATES if any(each(item) for each in allowed) is not negated)
        return next(usual, "") if negated or not firsts else firsts[0]
