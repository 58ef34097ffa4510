"""Every header field that guard interprets: the grammar of its RFC, and what becomes of each form."""

from math import inf

import pytest

from guard.contract.media import is_json
from guard.proxy.headers import MOST_WAIT, date, members, nominated, patience, retry_after
from guard.proxy.tracing import context, parent
from guard.proxy.values import Head, Peer, http_date

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
    [
        (None, []), (b"close", []), (b"Keep-Alive", []), (b"x-a", [b"x-a"]), (b"close, X-A", [b"close", b"x-a"]),
        (b"Content-Type, content-encoding, x-a", [b"x-a"]), (b"accept, authorization, cookie, cache-control", []),
        (b"inference-header-content-length, vary, set-cookie", []),
    ],
)  # fmt: skip
def test_fields_that_connection_nominates(connection: bytes | None, hops: list[bytes]) -> None:
    assert nominated(connection) == hops


TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (b"00-%b-%b-01", True), (b"00-%b-%b-00", True), (b"00-%b-%b-ff", True), (b"cc-%b-%b-01", True),
        (b"01-%b-%b-01-what-will-be", True), (b"fe-%b-%b-01", True), (b"00-%b-%b-01-x", False), (b"00-%b-%b-01 ", False),
        (b"ff-%b-%b-01", False), (b"cc-%b-%b-01.x", False), (b"0-%b-%b-01", False), (b"00-%b-%b-0", False),
        (b"00-%b-%b-0G", False), (b"00-%b-%b", False), (b"", False),
    ],
)  # fmt: skip
def test_traceparent(value: bytes, accepted: bool) -> None:
    value = value % (TRACE, SPAN) if b"%" in value else value
    found = parent(Head(b"GET", b"/", [(b"traceparent", value)], trace=value))
    assert (found is not None and found[:2] == (TRACE, SPAN)) is accepted
    told = context(Head(b"GET", b"/", [(b"traceparent", value)], trace=value), None)
    assert (told != []) is accepted
    if accepted:
        assert told[0][1].startswith(b"00-" + TRACE + b"-" + SPAN + b"-")
        assert len(told[0][1]) == 55


@pytest.mark.parametrize("zeros", [(b"0" * 32, SPAN), (TRACE, b"0" * 16), (TRACE.upper(), SPAN)])
def test_ids_that_are_none(zeros: tuple[bytes, bytes]) -> None:
    assert parent(Head(b"GET", b"/", [], trace=b"00-%b-%b-01" % zeros)) is None


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (b"a=1", True), (b"a=1,b=2", True), (b"a=1, b=2", True), (b"a=1,,b=2", True), (b"a=1,", True), (b"t@s=x", True), (b"a*/-_=~", True),
        (b"", False), (b",", False), (b"A=1", False), (b"a", False), (b"a=", False), (b"a=1=2", False), (b"a=\x00", False),
        (b"a=" + b"x" * 257, False), (b",".join(b"k%d=1" % n for n in range(33)), False),
    ],
)  # fmt: skip
def test_tracestate_of_a_trusted_peer(state: bytes, kept: bool) -> None:
    value = b"00-%b-%b-01" % (TRACE, SPAN)
    head = Head(b"GET", b"/", [(b"tracestate", state)], trace=value, peer=Peer(trusted=True))
    assert ((b"tracestate", state) in context(head, None)) is kept


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (b"application/json", True), (b"Application/JSON", True), (b"application/json; charset=utf-8", True),
        (b'application/json ;charset="UTF-8"', True), (b"application/vnd.x+json", True), (b"application/json;", True),
        (b"application/json; charset=latin-1", False), (b"text/json", False), (b"application/jsonx", False), (b"", False),
        (b"application/json, application/json", False), (b"json", False),
    ],
)  # fmt: skip
def test_content_type(value: bytes, json: bool) -> None:
    assert is_json(Head(b"POST", b"/", [(b"content-type", value)])) is json
