"""Detects numbers of payment cards (ISO/IEC 7812): Luhn's checksum holds."""

import re
from typing import Final

from guard.privacy.detectors.values import GAP, Detector, compact

_CARD: Final = re.compile(
    rf"(?<![\w.])(?:\d{{13,19}}|\d{{4}}(?:{GAP}\d{{4}}){{2,3}}(?:{GAP}\d{{1,4}})?|\d{{4}}{GAP}\d{{6}}{GAP}\d{{4,5}})(?!\w)"
)


def _is_card(text: str) -> bool:
    from stdnum import luhn  # noqa: PLC0415 — for policies that look for cards

    digits = compact(text)
    return len(set(digits)) > 1 and luhn.is_valid(digits)


DETECTOR: Final = Detector("card", _CARD, _is_card, grouped=True)
