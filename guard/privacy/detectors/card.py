"""Detects numbers of payment cards (ISO/IEC 7812): of an issuer's range and length, and Luhn's checksum holds.

One in forty random numbers of 16 digits has an issuer's range and the checksum. So what stands around a number that is
not in groups says more: behind `id`, `order` or `trace`, before `bytes` or `.jpg`, or in a list of other such numbers it is
none; behind `card`, or before a date or a code, it may also be of the rarer issuers. Thirteen digits alone are no card:
nobody has issued such cards since 2000, and milliseconds since 1970 have as many.
"""

import re
from typing import Final

from guard.privacy.detectors.signs import TWELVE_DIGITS
from guard.privacy.detectors.values import GAP, WORD_WINDOW, Detector, Span, before, compact

_COMMON: Final = (
    r"4\d{15}"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|3(?:0[0-59]\d{11}|[689]\d{12})"  # Diners Club
    r"|62\d{14,17}"  # UnionPay
)
_RARE: Final = (
    r"4\d{12}|4\d{18}"  # Visa of thirteen and nineteen
    r"|(?:5[06-9]|6\d)\d{10,17}"  # Maestro, and national schemes
    r"|220[0-4]\d{12,15}"  # Mir
    r"|(?:60|65|8[12]|508)\d{13,14}"  # RuPay
    r"|9792\d{12}"  # Troy
)
_ISSUED: Final = re.compile(rf"(?:{_COMMON}|{_RARE})\Z")
_CARD: Final = re.compile(
    rf"(?<!\d)(?<!\d\.)(?<!\D0,)(?<!\A0,)(?:(?P<alone>{_COMMON})|(?P<rare>{_RARE})"
    rf"|[2-9]\d{{3}}(?:{GAP}\d{{4}}){{3}}(?:{GAP}\d{{1,3}})?|3\d{{3}}{GAP}\d{{6}}{GAP}\d{{4,5}}"
    r"|[2-9](?P<blank>[ -])\d(?:(?P=blank)\d){11,17})"
)
_RUN: Final = re.compile(r"[0-9](?:[ \-._/]{0,3}[0-9]){11,}+")
_MORE: Final = re.compile(r"\d|\.\d")
_PAYMENT: Final = re.compile(
    r"card|karte|carte|tarjeta|cart[aã]o|kaart|visa|master|amex|express|maestro|discover|diners|jcb|unionpay|rupay|credit|debit"
    r"|zahlung|оплат|\bpan\b|\bcc\b|payment|карт|カード|卡"
)
_OTHER: Final = re.compile(
    r"(?<![a-z])(?:user|order|item|account|request|session|trace|span|event|customer|client|device|product|parent|group|job|task"
    r"|message|msg|record|object|tx|transaction|parcel|ticket|invoice|tweet|chat|channel|post|media|page|app|file|doc|node)?"
    r"(?:(?<![a-z])(?:id|ids|uuid|order|orders|ref|reference|number|no|nr|num|ticket|invoice|account|user|users|trace|span|request"
    r"|session|event|item|items|msg|message|job|task|run|build|serial|sku|isbn|ean|imei|tracking|parcel|time|timestamp|ts|date|at"
    r"|took|seed|hash|version|offset|size|bytes|total|count|sum|key|index|row|batch|block|tx|transaction|post|posts|status|file)"
    r"|(?<=[a-z])(?:ids?|no|num|number|ref|key))"
    r"[\"'\])]{0,2}[ \t]{0,2}[:=#/]{0,2}[ \t]{0,2}[\"'(\[#]{0,2}\Z"
)
_VALID: Final = re.compile(r"cvc|cvv|csc|\bexp|valid|thru|(?<![0-9/])(?:0[1-9]|1[0-2])/[0-9]{2}(?![0-9/])")
"""Text that follows the number of a card: its expiry date or its security code."""
_UNIT: Final = re.compile(
    r"(?:[nuµm]?s| ?(?:bytes?|rows?|items?|records?|tokens?|requests?|entries|points?|users?|files?|times|steps?"
    r"|units?))(?![a-z])"
    r"|\.(?:jpe?g|png|gif|webp|pdf|csv|jsonl?|txt|log|html?|xml|zip|gz|parquet|mp4|mp3)(?![a-z])"
)
"""Text that follows a number which is a count or the name of a file."""
_NEXT: Final = re.compile(r"[\"']?(,\s{1,12}|[,;|\t]|\r?\n)[\"']?([0-9]{12,19})(?![0-9])")
_PREVIOUS: Final = re.compile(r"(?<![0-9])([0-9]{12,19})[\"']?(,\s{1,12}|[,;|\t]|\r?\n)[\"']?\Z")
_WINDOW: Final = 36
"""Characters in which the number before, and what separates it, stand."""


def _extent(match: re.Match[str]) -> Span | None:
    text, end = match.string, match.end()
    if _MORE.match(text, end):
        return None
    kind = match.lastgroup
    if kind not in ("alone", "rare"):
        return match.span()
    words = before(match)
    if _PAYMENT.search(words) or _VALID.search(text[end : end + WORD_WINDOW].lower()):
        return match.span()
    if kind == "rare" or _OTHER.search(words) or _UNIT.match(text[end : end + WORD_WINDOW].lower()) or _listed(match):
        return None
    return match.span()


def _listed(match: re.Match[str]) -> bool:
    """Whether it stands in a list of numbers of as many digits, none of which is a card's.

    One neighbour tells where a comma and a blank separate them, as in a list; where it may be the next cell of a table,
    two do.
    """
    text, (begin, end) = match.string, match.span()
    size, told = end - begin, 0
    neighbours = [(after[2], after[1])] if (after := _NEXT.match(text, end)) is not None else []
    if after is not None and (second := _NEXT.match(text, after.end())) is not None:
        neighbours.append((second[2], second[1]))
    if (previous := _PREVIOUS.search(text, max(0, begin - _WINDOW), begin)) is not None:
        neighbours.append((previous[1], previous[2]))
    for digits, gap in neighbours:
        if len(digits) != size:
            continue
        if _is_card(digits):
            return False
        told += 2 if gap[0] == "," and len(gap) > 1 else 1
    return told > 1


def _is_card(text: str) -> bool:
    from stdnum import luhn  # noqa: PLC0415 — for policies that look for cards

    digits = compact(text)
    return len(set(digits)) > 1 and _ISSUED.match(digits) is not None and luhn.is_valid(digits)


DETECTOR: Final = Detector("card", _CARD, _is_card, grouped=True, extent=_extent, needs=TWELVE_DIGITS, within=_RUN)
