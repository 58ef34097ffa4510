"""Every header field that guard interprets: the grammar of its RFC, and what becomes of each form."""

from math import inf

import pytest

from guard.proxy.headers import MOST_WAIT, date, http_date, members, nominated, patience, retry_after

WALL = 784_111_717.0  # Sun, 06 Nov 1994 08:48:37 GMT
SENT = (b"date", b"Sun, 06 Nov 1994 08:49:00 GMT")
IN_A_MINUTE = b"Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        # delay-seconds = 1*DIGIT
        (b"0", 0.0), (b"1", 1.0), (b"120", 120.0), (b"99999", MOST_WAIT), (b"100000", MOST_WAIT), (b"86400", 86_400.0),
        (b"0000000000120", 120.0), (b"9" * 400, MOST_WAIT), (b" 7 ", 7.0), (b"\t7", 7.0),
        # HTTP-date: IMF-fixdate, and the obsolete forms that a recipient must read
        (IN_A_MINUTE, 60.0), (b"Sunday, 06-Nov-94 08:49:37 GMT", 60.0), (b"Sun Nov  6 08:49:37 1994", 60.0),
        (b"Sun, 06 Nov 1994 08:48:00 GMT", 0.0), (b"Sun, 06 Nov 2094 08:49:37 GMT", MOST_WAIT),
        # anything else is no Retry-After
        (b"", None), (b"-1", None), (b"+1", None), (b"1.5", None), (b"1s", None), (b"0x10", None), (b"1 2", None),
        (b"soon", None), (b"1, 2", None), (b"\xb2", None), (b"Sun, 31 Feb 1994 08:49:37 GMT", None),
        (b"Sun, 06 Nov 1994 08:49:37 UTC", None), (b"Sun, 06 Nov 1994 25:49:37 GMT", None), (b"1994-11-06T08:49:37Z", None),
    ],
)  # fmt: skip
def test_retry_after(value: bytes, seconds: float | None) -> None:
    assert retry_after([(b"retry-after", value)], WALL) == seconds


def test_a_date_is_counted_from_the_date_of_the_same_answer() -> None:
    assert retry_after([(b"retry-after", IN_A_MINUTE), SENT], WALL) == 37.0
    assert retry_after([(b"retry-after", IN_A_MINUTE), (b"date", b"long ago")], WALL) == 60.0


def test_two_lines_say_nothing() -> None:
    assert retry_after([(b"retry-after", b"1"), (b"retry-after", b"9")], WALL) is None
    assert retry_after([], WALL) is None


@pytest.mark.parametrize("wall", [0.0, 784_111_717.0, 951_826_554.0, 4_102_444_800.0, 1_709_210_096.0])
def test_every_date_that_we_write_is_read(wall: float) -> None:
    assert http_date(date(wall)[1]) == wall


@pytest.mark.parametrize(("year", "read"), [(b"69", 3_124_200_577.0 - 0.0), (b"70", 26_729_377.0 - 0.0)])
def test_a_year_of_two_digits(year: bytes, read: float) -> None:
    found = http_date(b"Thursday, 06-Nov-%b 08:49:37 GMT" % year)
    assert found is not None
    assert (found > WALL) is (year == b"69")
    assert abs(found - read) < 366 * 86_400


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"1", 1.0), (b"1.5", 1.5), (b"1.5s", 1.5), (b"1500ms", 1.5), (b"0", 0.0), (b" 2 ", 2.0), (b"999999999", 999_999_999.0),
        (None, inf), (b"", inf), (b"-1", inf), (b"1e3", inf), (b"1m", inf), (b"1 s", inf), (b".5", inf), (b"5.", inf), (b"nan", inf),
        (b"infinity", inf), (b"1,2", inf), (b"1.5S", inf),
    ],
)  # fmt: skip
def test_how_long_a_client_waits(value: bytes | None, seconds: float) -> None:
    assert patience(value) == seconds


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"close", [b"close"]), (b"Close , Keep-Alive", [b"close", b"keep-alive"]), (b"a,,b", [b"a", b"", b"b"]),
        (b"\tX-Hop\t", [b"x-hop"]),
    ],
)  # fmt: skip
def test_lists_of_tokens(value: bytes, found: list[bytes]) -> None:
    assert members(value) == found


@pytest.mark.parametrize(
    ("connection", "hops"),
    [(None, []), (b"close", []), (b"Keep-Alive", []), (b"x-a", [b"x-a"]), (b"close, X-A", [b"close", b"x-a"])],
)
def test_fields_that_connection_nominates(connection: bytes | None, hops: list[bytes]) -> None:
    assert nominated(connection) == hops
