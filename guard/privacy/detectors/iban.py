"""Detects account numbers (IBAN, ISO 13616): the length and the form of its country, and the checksum, hold."""

import re
from typing import Final

from guard.privacy.detectors.signs import ACCOUNT
from guard.privacy.detectors.values import Detector, Span, compact

_LENGTHS: Final = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
        "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
        "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
        "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
        "YE30 ",
    )
}
"""Characters of each IBAN by country: SWIFT's registry, release 101, which python-stdnum 2.2 has too."""
_IBAN: Final = re.compile(r"[A-Za-z]{2} ?\d{2}(?=[ .\-/]{0,2}[A-Za-z0-9])")
_REST: Final = re.compile(r"[ .\-/]{0,2}[A-Za-z0-9]")


def _extent(match: re.Match[str]) -> Span | None:
    """The span of the candidate, as long as an IBAN of its country; None if it is not that long."""
    country = match[0][:2]
    length = _LENGTHS.get(country.upper(), 0)
    if not length or (" " in match[0] and not country.isupper()):
        return None
    text, end = match.string, match.end()
    for _ in range(length - 4):
        rest = _REST.match(text, end)
        if rest is None:
            return None
        end = rest.end()
    return match.start(), end


def _is_iban(text: str) -> bool:
    from stdnum import iban  # noqa: PLC0415

    number = compact(text)
    digits = int("".join(str(int(item, 36)) for item in number[4:] + number[:4]))
    return digits % 97 == 1 and iban.is_valid(number, check_country=False)  # a twentieth of what the library takes


DETECTOR: Final = Detector("iban", _IBAN, _is_iban, weight=4, extent=_extent, needs=ACCOUNT)
