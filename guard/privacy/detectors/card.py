"""Detects numbers of payment cards (ISO/IEC 7812): of an issuer's range and length, and Luhn's checksum holds.

One in forty random numbers of 16 digits has an issuer's range and the checksum. So words before a number that is not in
groups say more: behind `id`, `order` or `trace` it is none; behind `card` it may also be of the rarer issuers. Thirteen
digits alone are no card: nobody has issued such cards since 2000, and milliseconds since 1970 have as many.
"""

import re
from typing import Final

from guard.privacy.detectors.signs import TWELVE_DIGITS
from guard.privacy.detectors.values import GAP, Detector, Span, before, compact

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
    rf"(?<!\d)(?<!\d[.,])(?:(?P<alone>{_COMMON})|(?P<rare>{_RARE})"
    rf"|[2-9]\d{{3}}(?:{GAP}\d{{4}}){{3}}(?:{GAP}\d{{1,3}})?|3\d{{3}}{GAP}\d{{6}}{GAP}\d{{4,5}}"
    r"|[2-9](?P<blank>[ -])\d(?:(?P=blank)\d){11,17})"
)
_RUN: Final = re.compile(r"[0-9](?:[ \-._/]{0,3}[0-9]){11,}+")
_MORE: Final = re.compile(r"\d|[.,]\d")
_PAYMENT: Final = re.compile(
    r"card|karte|carte|tarjeta|cart[aã]o|kaart|visa|master|amex|express|maestro|discover|diners|jcb|unionpay|rupay|credit|debit"
    r"|\bpan\b|\bcc\b|payment|карт|カード|卡"
)
_OTHER: Final = re.compile(
    r"(?:id|ids|uuid|order|orders|ref|reference|number|no|nr|num|ticket|invoice|account|user|users|trace|span|request|session"
    r"|event|item|items|msg|message|job|task|run|build|serial|sku|isbn|ean|imei|tracking|parcel|time|timestamp|ts|date|at|took"
    r"|seed|hash|version|offset|size|bytes|total|count|sum|key|index|row|batch|block|tx|transaction)[\"'\])]{0,2}"
    r"[ \t]{0,2}[:=#/]{0,2}[ \t]{0,2}[\"'(\[#]{0,2}\Z"
)


def _extent(match: re.Match[str]) -> Span | None:
    if _MORE.match(match.string, match.end()):
        return None
    kind = match.lastgroup
    if kind not in ("alone", "rare"):
        return match.span()
    text = before(match)
    if _PAYMENT.search(text):
        return match.span()
    return None if kind == "rare" or _OTHER.search(text) else match.span()


def _is_card(text: str) -> bool:
    from stdnum import luhn  # noqa: PLC0415 — for policies that look for cards

    digits = compact(text)
    return len(set(digits)) > 1 and _ISSUED.match(digits) is not None and luhn.is_valid(digits)


DETECTOR: Final = Detector("card", _CARD, _is_card, grouped=True, extent=_extent, needs=TWELVE_DIGITS, within=_RUN)
