r"""Folds the many ways of writing a character into one, so that patterns know ASCII only, and remembers what stood where.

Digits and letters of other widths, digits of other scripts, dashes, blanks and full stops become their ASCII form;
characters that nobody sees are left out; what is escaped for a URL (%40), for JSON (\u0040) or for HTML (&#64;) is read.
Which of them was used then decides nothing. The folded text is searched only; what the model reads keeps its characters.
"""

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from html.entities import html5
from typing import Final, NamedTuple

_INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U000e0000-\U000e0fff"
)
_UNSEEN: Final = re.compile(f"[{_INVISIBLE}]")
_FIRST: Final = re.compile(rf"[{_INVISIBLE}%&\\]")
"""The first character of an escape or of invisible text: a class of characters is searched faster than all their forms."""
_INVISIBLES: Final = re.compile(f"[{_INVISIBLE}]+")
_SPECIAL: Final = re.compile(
    f"[{_INVISIBLE}]+"
    r"|%[0-7][0-9A-Fa-f]"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"
    r"""|\\{1,4}(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[nrtbf"'/])"""
)
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u208b\u2212\ufe58\ufe63"
_SIGNS: Final = "@.-_+:/\\()[]{}<>=%&#'\""
_FEW: Final = 24
_STOPS: Final = "\u3002\ufe52\uff61"
_ZEROS: Final = (
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20,
    0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0,
    0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0,
    0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0,
    0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
)  # fmt: skip
"""The zero of each script's digits (Unicode 14, general category Nd): the others follow it."""
_WIDE: Final = ((0xFE50, 0xFE70), (0xFF01, 0xFFF0), (0x1D400, 0x1D800))


class Folded(NamedTuple):
    """A folded text. `starts` and `places`: where its pieces begin, in it and in the original; None: at the same places."""

    text: str
    starts: list[int] | None = None
    places: list[tuple[int, int]] | None = None

    def original(self, begin: int, end: int) -> tuple[int, int]:
        """The span of the original text from which a span of the folded text was made."""
        if self.starts is None:
            return begin, end
        return self._place(begin)[0], self._place(end - 1)[1]

    def _place(self, index: int) -> tuple[int, int]:
        """The characters that one character was folded from."""
        assert self.starts is not None
        assert self.places is not None
        piece = bisect_right(self.starts, index) - 1
        begin, end = self.places[piece]
        if end:
            return begin, end
        begin += index - self.starts[piece]
        return begin, begin + 1


def fold(text: str, *, escapes: bool = True) -> Folded:
    """The text as patterns read it; the same object where nothing changes. `escapes`: read what is escaped. Linear."""
    plain = text.isascii()
    if plain and "%" not in text and "&" not in text and "\\" not in text:
        return Folded(text)
    if not plain and _other().search(text) is None:
        return Folded(text)
    folded = text if plain else _narrow(text)
    if _FIRST.search(folded) is None:
        return Folded(folded)
    pattern = _SPECIAL if escapes else _INVISIBLES
    match = pattern.search(folded)
    return Folded(folded) if match is None else _unescaped(folded, match, pattern)


def _narrow(text: str) -> str:
    """The text with ASCII characters for their other forms. A few kinds are replaced one by one, which is faster."""
    other = _foldable().findall(text)
    if not other:
        return text
    table = _table()
    kinds = {character for character in set(other) if ord(character) in table}
    if len(kinds) > _FEW:
        return text.translate(table)
    for character in kinds:
        text = text.replace(character, table[ord(character)])
    return text


def _unescaped(text: str, match: re.Match[str] | None, pattern: re.Pattern[str]) -> Folded:
    pieces: list[str] = []
    starts: list[int] = []
    places: list[tuple[int, int]] = []
    at = length = 0
    while match is not None:
        begin, end = match.span()
        if begin > at:
            pieces.append(text[at:begin])
            starts.append(length)
            places.append((at, 0))
            length += begin - at
        character = _read(match[0])
        if character:
            pieces.append(character)
            starts.append(length)
            places.append((begin, end))
            length += 1
        at = end
        match = pattern.search(text, at)
    if at < len(text):
        pieces.append(text[at:])
        starts.append(length)
        places.append((at, 0))
    return Folded("".join(pieces), starts, places)


def _read(escape: str) -> str:
    """The one character that stands there; empty if it is invisible."""
    first, code = escape[0], escape.lstrip("\\")
    if first == "%":
        return chr(int(escape[1:], 16))
    if first == "&":
        return _entity(escape[1:-1])
    if first != "\\":
        return ""
    if code[0] in "ux":
        return _folded(int(code[1:], 16))
    return _CONTROL.get(code, code)


def _entity(name: str) -> str:
    if name[0] != "#":
        character = html5.get(f"{name};", "?")
        return _folded(ord(character)) if len(character) == 1 else "?"
    number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])  # noqa: FURB166 — `0` may stand before x  # noqa: FURB166 — `0` may stand before x
    return _folded(number) if 0 < number < 0x110000 else "?"


def _folded(code: int) -> str:
    character = chr(code)
    return "" if _UNSEEN.match(character) else _table().get(code, character)


@lru_cache(1)
def _foldable() -> re.Pattern[str]:
    low = "".join(chr(code) for code in sorted(_table()) if code < 0x10000)
    return re.compile(f"[{re.escape(low)}\U00010000-\U0010ffff]")


@lru_cache(1)
def _other() -> re.Pattern[str]:
    """Any character for which a text that is not ASCII is more than what it shows."""
    return re.compile(f"{_foldable().pattern[:-1]}{_FIRST.pattern[1:]}")


def prepare() -> None:
    """Make the tables now, which takes 10 ms, and not when a text first needs them."""
    _other()


@lru_cache(1)
def _table() -> dict[int, str]:
    """One ASCII character for each that is another form of it."""
    table = {zero + digit: str(digit) for zero in _ZEROS for digit in range(10)}
    for begin, end in _WIDE:
        for code in range(begin, end):
            plain = unicodedata.normalize("NFKC", chr(code))
            if len(plain) == 1 and plain.isascii() and (plain.isalnum() or plain in _SIGNS):
                table[code] = plain
    table |= dict.fromkeys((160, 5760, *range(8192, 8203), 8239, 8287, 12288), " ")
    table |= dict.fromkeys((0x85, 0x2028, 0x2029), "\n")
    table |= dict.fromkeys(map(ord, _DASHES), "-")
    table |= dict.fromkeys(map(ord, _STOPS), ".")
    return table
