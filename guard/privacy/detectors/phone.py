"""Detects telephone numbers, with and without a country code."""

import re
from typing import Final

from guard.privacy.detectors.values import SEPARATOR, Detector, ascii_of

_PHONE: Final = re.compile(
    rf"(?<![\w.,:/+-])(?:(?:\+|00)(?:{SEPARATOR}?[()]?{SEPARATOR}?\d){{7,15}}+"
    rf"|\(?0\d(?:{SEPARATOR}?[()]?{SEPARATOR}?\d){{5,13}}+"
    rf"|\(\d{{3}}\){SEPARATOR}?\d{{3}}{SEPARATOR}\d{{4}}|\d{{3}}{SEPARATOR}\d{{3}}{SEPARATOR}\d{{4}})"
    r"(?![\w:]|[.,/-]\d)"
)


def _is_phone(text: str) -> bool:
    import phonenumbers  # noqa: PLC0415

    told = ascii_of(text)
    if not told.startswith(("+", "00")):
        return True  # nothing says of which country it is: too many are better than too few
    try:
        number = phonenumbers.parse("+" + told.lstrip("+0 "), None)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_possible_number(number))


DETECTOR: Final = Detector("phone", _PHONE, _is_phone, weight=4)
