"""How scalars read, how they are written again, and what a mistake is answered with."""

from contextlib import suppress
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from guard.policy import scalars
from guard.policy.document import Items, Text, Tree
from guard.policy.errors import Place
from guard.policy.scalars import Address, Misread, Money, Origin

GOOD = [
    ("Duration", "300ms", 0.3), ("Duration", "10s", 10.0), ("Duration", "5m", 300.0), ("Duration", "24h", 86400.0),
    ("Duration", "2d", 172800.0), ("Duration", "1.5s", 1.5), ("Duration", "0s", 0.0),
    ("Size", "1MiB", 1048576), ("Size", "64KiB", 65536), ("Size", "512", 512), ("Size", "1.5KiB", 1536), ("Size", "7 B", 7),
    ("Share", "1%", 0.01), ("Share", "99.5%", 0.995), ("Share", "0%", 0.0), ("Share", "100%", 1.0),
    ("Rate", "50/s", 50.0), ("Rate", "60/m", 1.0),
    ("Price", "0.0004 EUR", Money(0.0004, "EUR")), ("Price", "20 EUR", Money(20.0, "EUR")),
    ("Listener", "0.0.0.0:8900", Address("0.0.0.0", 8900)), ("Listener", "[::1]:0", Address("::1", 0)),
    ("Server", "http://127.0.0.1:8080", Origin("http", "127.0.0.1", 8080)), ("Server", "https://m.internal/", Origin("https", "m.internal", 443)),
    ("Server", "http://[::1]:80", Origin("http", "::1", 80)), ("Server", "unix:///run/model.sock", Origin("unix", "", 0, "/run/model.sock")),
    ("Network", "10.0.0.0/8", ip_network("10.0.0.0/8")), ("Network", "::1", ip_network("::1/128")),
    ("Boolean", "true", True), ("Boolean", "false", False), ("Count", "0", 0), ("Positive", "4096", 4096),
    ("Number", "0.85", 0.85), ("Number", "-3", -3), ("Number", "1e3", 1000.0),
    ("String", "no", "no"), ("String", "3.10", "3.10"), ("Pointer", "", ""), ("Pointer", "/a~1b/0", "/a~1b/0"), ("MediaType", "image/svg+xml", "image/svg+xml"),
]  # fmt: skip

BAD = [
    ("Duration", "10"), ("Duration", "10 s"), ("Duration", "-1s"), ("Duration", "1h30m"), ("Duration", "9999d"), ("Duration", "١s"), ("Span", "0s"),
    ("Size", "1MB"), ("Size", "0"), ("Size", "1.5"), ("Size", "2048GiB"), ("Share", "0.5"), ("Share", "101%"), ("Rate", "50"),
    ("Price", "20"), ("Price", "20 eur"), ("Price", "EUR 20"), ("Listener", ":8900"), ("Listener", "8900"), ("Listener", "a:70000"), ("Listener", "::1:80"),
    ("Server", "127.0.0.1:8080"), ("Server", "ftp://x"), ("Server", "http://x/v1"), ("Server", "http://x?y"), ("Server", "http://u:p@x"),
    ("Server", "unix://run/x"), ("Server", "http://"), ("Server", "http://x:99999"), ("Network", "10.0.0.1/8"), ("Network", "x"),
    ("Boolean", "yes"), ("Boolean", "no"), ("Boolean", "off"), ("Boolean", "True"), ("Count", "1.0"), ("Count", "-1"), ("Positive", "0"),
    ("Number", "nan"), ("Number", ".inf"), ("Number", "1e999"), ("Number", "x"), ("Pointer", "a"), ("Pointer", "/a~2"), ("Header", "X-A"),
    ("MediaType", "png"), ("LocalPath", "health"), ("Name", "-a"), ("Name", "a b"), ("File", "''"),
]  # fmt: skip


def adapter(kind):
    return TypeAdapter(getattr(scalars, kind))


def text(written, plain=None):
    return Text.at(written, Place("p", 1, 1), plain=written != "" if plain is None else plain)


@pytest.mark.parametrize(("kind", "written", "value"), GOOD)
def test_reads(kind, written, value):
    assert adapter(kind).validate_python(text(written)) == value


@pytest.mark.parametrize(("kind", "written", "value"), GOOD)
def test_what_is_written_reads_the_same(kind, written, value):
    again = adapter(kind).dump_python(value)
    assert adapter(kind).validate_python(text(str(again).lower() if isinstance(again, bool) else str(again))) == value


@pytest.mark.parametrize(("kind", "written"), BAD)
def test_refused_saying_what_was_expected(kind, written):
    with pytest.raises(Exception) as refused:
        adapter(kind).validate_python(text("" if written == "''" else written))
    (error,) = refused.value.errors()
    assert error["type"] == "misread"
    assert error["ctx"]["expected"]


@pytest.mark.parametrize(
    "kind", ["Duration", "Size", "Share", "Server", "Listener", "Boolean", "Count", "Number", "String", "File", "Name"]
)
@pytest.mark.parametrize("value", [text("", plain=True), text("null"), Tree(Place("p")), Items.at([], Place("p"))])
def test_null_mappings_and_lists_are_no_scalars(kind, value):
    with pytest.raises(Exception, match=r"no value|belongs"):
        adapter(kind).validate_python(value)


@pytest.mark.parametrize("kind", ["Boolean", "Count", "Number"])
def test_quoted_is_text(kind):
    with pytest.raises(Exception, match="misread"):
        adapter(kind).validate_python(text("true" if kind == "Boolean" else "1", plain=False))


def test_a_password_in_a_url_is_not_repeated():
    with pytest.raises(Misread) as refused:
        scalars.origin(text("http://user:hunter2@host"))
    assert "hunter2" not in str(refused.value)


@given(st.integers(1, 10**9).map(lambda ms: ms / 1000))
def test_durations_survive_being_written(seconds):
    assert scalars._duration(0)(text(scalars.write_duration(seconds))) == seconds


@given(st.integers(1, 1 << 40))
def test_sizes_survive_being_written(size):
    assert scalars._size(text(scalars.write_size(size))) == size


@given(st.text(max_size=20))
def test_no_text_crashes_a_reader(written):
    for kind in (
        "Duration",
        "Size",
        "Share",
        "Rate",
        "Price",
        "Listener",
        "Server",
        "Network",
        "Boolean",
        "Count",
        "Number",
        "Pointer",
    ):
        with suppress(ValueError):
            adapter(kind).validate_python(text(written))
