"""Detects IP addresses of both versions, with port, zone or prefix length behind them, and with dots in brackets."""

import re
from ipaddress import ip_address
from typing import Final

from guard.privacy.detectors.signs import COLONS, DOTS
from guard.privacy.detectors.values import Detector, Span, ascii_of, before

_DOT: Final = r"(?:\.|\[\.\]|\(\.\))"
_IP: Final = re.compile(
    rf"(?<![0-9])(?<![0-9A-Za-z]\.)(?P<four>[0-9]{{1,3}}(?:{_DOT}[0-9]{{1,3}}){{3}})"
    r"|(?<![0-9A-Za-z:])(?:(?<![0-9A-Za-z]\.)[0-9A-Fa-f]{1,4}(?=:)|(?=:))(?::[0-9A-Fa-f]{0,4}){2,9}(?:\.[0-9]{1,3}){0,3}"
    r"|(?<=[0-9A-Za-z]):(?=:?[0-9A-Fa-f]{1,4}:)(?:[0-9A-Fa-f]{0,4}:){1,8}[0-9A-Fa-f]{0,4}(?:\.[0-9]{1,3}){0,3}"
)
_RUN: Final = re.compile(r"[0-9A-Fa-f]{0,4}(?:[.:]|\[\.\]|\(\.\))[0-9A-Fa-f:.\[\]()]{2,}+")
_MORE: Final = re.compile(r"\.?[0-9]")
_DIGITS: Final = frozenset("0123456789")
_VERSION: Final = re.compile(r"(?:\bv|version|release|build|ver\.?)[ :=\"']{0,3}\Z")


def _extent(match: re.Match[str]) -> Span | None:
    begin, end = match.span()
    following = match.string[end : end + 2]
    if _MORE.match(following):
        return None
    if match["four"] is not None:
        return None if _VERSION.search(before(match)) else (begin, end)
    if following[:1].isascii() and following[:1].isalpha():
        return None
    text = match[0]
    if text[0] == ":" and text[1:2] != ":":
        begin += 1
    if text[-1] == ":" and text[-2:-1] != ":":
        end -= 1
    shown = match.string[begin:end]
    if sum(map(str.isalnum, shown)) < 2 or not (not _DIGITS.isdisjoint(shown) or shown.count(":") > 3):
        return None
    return begin, end


def _is_ip(text: str) -> bool:
    plain = ascii_of(text)
    if ":" not in plain:
        return all(int(part) < 256 for part in re.findall("[0-9]+", plain))
    try:
        ip_address(plain)
    except ValueError:
        return False
    return True


DETECTOR: Final = Detector("ip", _IP, _is_ip, re.compile("[.:]"), extent=_extent, needs=DOTS | COLONS, within=_RUN)
