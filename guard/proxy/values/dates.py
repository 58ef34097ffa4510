"""Reads dates in header fields; an invalid date is None and never an error."""

import re
from datetime import UTC, datetime
from typing import Final

_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_CLOCK: Final = rb"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
_MONTH: Final = b"(?P<month>" + b"|".join(_MONTHS) + b")"
_DATES: Final = (
    re.compile(rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>\d\d) " + _MONTH + rb" (?P<year>\d{4}) " + _CLOCK + b" GMT"),
    re.compile(
        rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-" + _MONTH + rb"-(?P<year>\d\d) " + _CLOCK + b" GMT"
    ),
    re.compile(rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) " + _MONTH + rb" (?P<day>[ \d]\d) " + _CLOCK + rb" (?P<year>\d{4})"),
)
"""Patterns of IMF-fixdate and of the two obsolete forms that a recipient must read (RFC 9110 §5.6.7)."""
_PIVOT: Final = 70
"""Two-digit years below this are in the 2000s, others in the 1900s."""


def http_date(value: bytes) -> float | None:
    """Seconds since the epoch of an HTTP-date; None for any other text."""
    for form in _DATES:
        match = form.fullmatch(value)
        if match is None:
            continue
        year = int(match["year"])
        if len(match["year"]) == 2:
            year += 2000 if year < _PIVOT else 1900
        try:
            day = datetime(year, _MONTHS.index(match["month"]) + 1, int(match["day"]), tzinfo=UTC).timestamp()
        except ValueError:  # no such day
            return None
        return day + int(match["hour"]) * 3600 + int(match["minute"]) * 60 + int(match["second"])
    return None
