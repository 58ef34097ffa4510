"""Detects account numbers (IBAN, ISO 13616): the checksum and the length of its country hold."""

import re
from typing import Final

from guard.privacy.detectors.values import GAP, Detector, compact

_IBAN: Final = re.compile(
    rf"(?<!\w)[A-Za-z]{{2}}\d\d(?:[A-Za-z0-9]{{11,30}}|(?:{GAP}[A-Za-z0-9]{{4}}){{2,7}}(?:{GAP}[A-Za-z0-9]{{1,3}})?)(?!\w)"
)


def _is_iban(text: str) -> bool:
    from stdnum import iban  # noqa: PLC0415

    number = compact(text)
    if (
        int("".join(str(int(one, 36)) for one in number[4:] + number[:4])) % 97 != 1
    ):  # a twentieth of what the library takes
        return False
    return iban.is_valid(number)


DETECTOR: Final = Detector("iban", _IBAN, _is_iban, grouped=True, weight=4)
