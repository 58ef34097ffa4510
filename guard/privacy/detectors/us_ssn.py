"""Detects Social Security numbers of the United States: three, two and four digits, of an area and a group that exist.

The number has no checksum. With dashes its form is enough. With blanks, with dots or in one piece it may be any number,
and a word before it has to name it.
"""

import re
from typing import Final

from guard.privacy.detectors.signs import SEVEN_DIGITS
from guard.privacy.detectors.values import Detector, Span, before, compact

_SSN: Final = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][.,:/\-])"
    r"(?:[0-9]{3}-[0-9]{2}-[0-9]{4}|(?P<loose>[0-9]{3}(?P<gap>[ .]?| - )[0-9]{2}(?P=gap)[0-9]{4}))"
    r"(?![0-9A-Za-z])(?![.,:/\-][0-9])"
)
_RUN: Final = re.compile(r"[0-9](?:[ .\-]{0,3}[0-9]){8,}+")
_WORD: Final = re.compile(r"ssn(?![a-z])|(?<![a-z])(?:ss ?#|ss no|soc(?:ial)?\.?[ _-]?sec|seguro social)")


def _extent(match: re.Match[str]) -> Span | None:
    return match.span() if match["loose"] is None or _WORD.search(before(match)) else None


def _is_ssn(text: str) -> bool:
    from stdnum.us import ssn  # noqa: PLC0415

    return bool(ssn.is_valid(compact(text)))


DETECTOR: Final = Detector("us_ssn", _SSN, _is_ssn, extent=_extent, needs=SEVEN_DIGITS, within=_RUN)
