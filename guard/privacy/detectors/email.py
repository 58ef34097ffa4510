"""Detects e-mail addresses (RFC 5321 and 6531), also with [at] and [dot] in brackets.

A candidate begins at its @. Before it stands the local part, as far as its characters reach; of the domain is taken what
ends in a top-level domain, so that a full stop, a hyphen or a word in another script behind it changes nothing.
"""

import re
from typing import Final

from guard.privacy.detectors.signs import AT
from guard.privacy.detectors.values import Detector, Span

_DIGITS: Final = frozenset("0123456789")
_LONGEST: Final = 64
_LABEL: Final = r"[^\W_][\w-]{0,62}"
_EMAIL: Final = re.compile(
    r"[@\[({<](?:(?<=@)|(?<!@) ?(?i:at) ?[\])}>] ?)"
    rf"(?:\[[0-9A-Fa-f:.]{{3,45}}\]|{_LABEL}(?:(?:\.|\[\.\]| ?[\[({{<] ?(?i:dot) ?[\])}}>] ?){_LABEL}){{1,8}})"
)
_DOT: Final = re.compile(r"\.|\[\.\]| ?[\[({<] ?(?i:dot) ?[\])}>] ?")
_TOP: Final = re.compile(r"xn--[0-9A-Za-z-]{1,58}[0-9A-Za-z]|[A-Za-z]{2,24}|[^\W\d_]{2,24}")
_TOPPED: Final = re.compile(r"[.\])}>] ?(?:[^\W\d_]{2}|xn--)")
_SPECIALS: Final = frozenset("!#$%&'*+-/=?^_`{|}~.")


def _extent(match: re.Match[str]) -> Span | None:
    text, sign = match.string, match.start()
    if text[match.end() - 1] != "]" and _TOPPED.search(text, sign, match.end()) is None:
        return None
    if match[0][0] != "@" and text[sign - 1 : sign] == " ":
        sign -= 1
    begin = _local(text, sign)
    if begin == sign:
        return None
    end = match.end() if text[match.end() - 1] == "]" else _domain_end(text, sign, match.end())
    return (begin, end) if end else None


def _local(text: str, sign: int) -> int:
    """Position at which the local part before the sign begins; the sign's own position if there is none."""
    lowest = max(0, sign - _LONGEST)
    if text[sign - 1 : sign] == '"':
        opening = text.rfind('"', lowest, sign - 1)
        return opening if opening >= 0 else sign
    begin = sign
    while begin > lowest and (text[begin - 1].isalnum() or text[begin - 1] in _SPECIALS):
        begin -= 1
    while begin < sign and not text[begin].isalnum():
        begin += 1
    return begin


def _domain_end(text: str, begin: int, end: int) -> int:
    """Position behind the last top-level domain, at which the domain ends; 0 if there is none.

    A word of another script behind a domain of ASCII is the next word of the text.
    """
    best = 0
    letters = False
    for dot in [*_DOT.finditer(text, begin + 1, end)]:
        top = _TOP.match(text, dot.end(), end)
        letters = letters or any(map(str.isalpha, text[begin + 1 : dot.start()]))
        if top is None or (top.end() < end and text[top.end()] in _DIGITS and not letters):
            continue
        foreign = not text[dot.end()].isascii()
        if foreign and best and text[begin + 1 : best].isascii():
            break
        best = top.end()
    return best


DETECTOR: Final = Detector("email", _EMAIL, hint=re.compile(r"@|(?i:at) ?[\])}>]"), extent=_extent, needs=AT)
