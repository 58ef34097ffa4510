"""Detects telephone numbers (E.164, and as countries group them).

A number with + or 00 is one of the numbering plan's lengths. Without, it needs a form that telephones have: an area code in
parentheses, groups behind a leading zero, North America's 3-3-4. Digits without groups are a number of anything: they are a
telephone's where a word before them says so.
"""

import re
from typing import Final

from guard.privacy.detectors.signs import SEVEN_DIGITS
from guard.privacy.detectors.values import WORD_WINDOW, Detector, Span, ascii_of, before

_SEP: Final = r"(?: {1,2}| ?[-./] ?)"
_LOOSE: Final = r"[ ./\-]{0,2}[()]?[ ./\-]{0,2}"
_PHONE: Final = re.compile(
    rf"(?P<world>(?<![0-9A-Za-z+])(?<![0-9]\.)(?:\(?\+|(?<![0-9A-Za-z]-)00(?=[1-9(]))(?:{_LOOSE}[0-9]){{7,15}}+)"
    r"|(?<![0-9A-Za-z])(?<![0-9][./:])(?<![0-9A-Za-z]-)(?:"
    rf"(?P<area>(?:[01] ?-?)?\(0?[0-9]{{2,5}}\)[ \-/]{{0,2}}[0-9]{{2,8}}(?:{_SEP}[0-9]{{2,6}}){{0,4}})"
    rf"|(?P<zero>0[1-9][0-9]{{0,4}}(?:{_SEP}[0-9]{{2,8}}){{1,5}})"
    rf"|(?P<america>(?:1{_SEP})?[0-9]{{3}}(?P<s>[ .-])[0-9]{{3}}(?P=s)[0-9]{{4}})"
    rf"|(?P<east>1[3-9][0-9][ -][0-9]{{4}}[ -][0-9]{{4}}|8[ -]?\(?[0-9]{{3}}\)?[ -][0-9]{{3}}[ -][0-9]{{2}}[ -][0-9]{{2}})"
    rf"|(?P<digits>(?<![0-9][ ()])[0-9](?:{_LOOSE}[0-9]){{6,14}}+)"
    r")"
)
_RUN: Final = re.compile(r"[0-9](?:[ ./()\-]{0,3}[0-9]){6,}+")
_BARE: Final = re.compile(r"[0-9]+\Z")
_NO_DIGIT: Final = re.compile("[^0-9]+")
_MORE: Final = re.compile(r"[0-9]|\.[0-9]")
_MORE_AT_HOME: Final = re.compile(r"[0-9A-Za-z]|[.:/-][0-9]")
_LEAST_BARE_WORLD: Final = 12
"""Digits behind 00 in one piece: with fewer it is a number that zeros fill up."""
_WORD: Final = re.compile(
    r"(?:tel|tele?fon[eo]?|phone|mobile?|mobil|cell|handy|fax|sms|whatsapp|call|calling|dial|ring|text|ruf|rufnummer|m[oó]vil"
    r"|t[eé]l|t[eé]l[eé]phone|t[eé]l[eé]fono|telefoonnummer|portable|gsm|contact|hotline"
    r"|тел|телефон|電話|电话|手机|phone ?number)"
    r"(?:[ _-]?(?:number|no|nr|num))?[\"'\])]{0,2}[.:=#]{0,2}[ \t]{0,2}(?:me |us |is |at |on |under )?[\"'(]{0,2}\Z"
)
_WORD_BEHIND: Final = re.compile(
    r"[ \t]{1,2}[(\[]?(?:tel|tele?fon[eo]?|phone|mobile|mobil|cell|celular|handy|fax|whatsapp)(?![a-z])"
)
_BETWEEN: Final = " \t\"'()[]{}.:=#"
_COUNTS: Final = {"area": range(8, 14), "zero": range(9, 13), "digits": range(7, 16)}


def _extent(match: re.Match[str]) -> Span | None:
    kind = match.lastgroup
    if kind == "s":
        kind = "america"
    if (_MORE if kind == "world" else _MORE_AT_HOME).match(match.string, match.end()):
        return None
    if kind == "world" and len(match[0]) < _LEAST_BARE_WORLD and _BARE.match(match[0]):
        return None
    if kind in _COUNTS and len(_NO_DIGIT.sub("", match[0])) not in _COUNTS[kind]:
        return None
    return match.span() if kind != "digits" or _named(match) else None


def _named(match: re.Match[str]) -> bool:
    """Whether a word beside the number marks it as a telephone's."""
    if _WORD_BEHIND.match(match.string[match.end() : match.end() + WORD_WINDOW].lower()):
        return True
    text = before(match)
    return text.rstrip(_BETWEEN)[-1:].isalpha() and _WORD.search(text) is not None


def _is_phone(text: str) -> bool:
    import phonenumbers  # noqa: PLC0415

    plain = ascii_of(text).lstrip("(")
    if not plain.startswith(("+", "00")):
        return True  # nothing says of which country it is: too many are better than too few
    try:
        number = phonenumbers.parse("+" + plain.lstrip("+0 "), None)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_possible_number(number))


DETECTOR: Final = Detector(
    "phone", _PHONE, _is_phone, grouped=True, weight=4, extent=_extent, needs=SEVEN_DIGITS, within=_RUN
)
