"""The page for scrapers: the same numbers in both formats, and no label can break it."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.telemetry.accumulators import Exemplar, Histogram, Instrument
from guard.telemetry.family import Family
from guard.telemetry.instruments import INSTRUMENTS
from guard.telemetry.prometheus import LINES, OPENMETRICS, TEXT, Exposition, name, wanted

COUNTER = Instrument("guard.things", "counter", "{thing}", "Things.", ("http.route", "b"))
DURATION = Instrument("guard.wait.duration", "histogram", "s", "Waits.", ("a",), (0.5, 1.0))
LEVEL = Instrument("guard.level", "gauge", "By", "Level.")


def page(exposition: Exposition, families: Sequence[Family], content_type: str = TEXT) -> bytes:
    return b"".join(exposition.pieces(families, content_type))


def waits() -> Histogram:
    histogram = Histogram(DURATION.buckets)
    for value in (0.25, 0.5, 0.75, 3.0):
        histogram.record(value)
    histogram.exemplify(Exemplar(0.75, 1700000000.5, 0xAB, 0xC))
    return histogram


FAMILIES = [
    Family(COUNTER, [(("/p", ""), 3), (None, 2)]),
    Family(DURATION, [(("x",), waits())]),
    Family(LEVEL, [((), 1.5)]),
]


def test_text() -> None:
    assert page(Exposition({"service.name": "s"}), FAMILIES).decode() == (
        "# HELP target_info What is measured.\n# TYPE target_info gauge\n"
        'target_info{service_name="s"} 1\n'
        "# HELP guard_things_total Things.\n# TYPE guard_things_total counter\n"
        'guard_things_total{http_route="/p"} 3\nguard_things_total{otel_metric_overflow="true"} 2\n'
        "# HELP guard_wait_duration_seconds Waits.\n# TYPE guard_wait_duration_seconds histogram\n"
        'guard_wait_duration_seconds_bucket{a="x",le="0.5"} 2\nguard_wait_duration_seconds_bucket{a="x",le="1.0"} 3\n'
        'guard_wait_duration_seconds_bucket{a="x",le="+Inf"} 4\nguard_wait_duration_seconds_sum{a="x"} 4.5\n'
        'guard_wait_duration_seconds_count{a="x"} 4\n'
        "# HELP guard_level_bytes Level.\n# TYPE guard_level_bytes gauge\nguard_level_bytes 1.5\n"
    )


def test_openmetrics_has_exemplars_and_an_end() -> None:
    text = page(Exposition({"service.name": "s"}), FAMILIES, OPENMETRICS).decode()
    assert text.endswith("guard_level_bytes 1.5\n# EOF\n")
    assert "# TYPE guard_things counter\n" in text
    assert 'guard_things_total{http_route="/p"} 3\n' in text
    trace = f'# {{trace_id="{0xAB:032x}",span_id="{0xC:016x}"}} 0.75 1700000000.500'
    assert f'guard_wait_duration_seconds_bucket{{a="x",le="1.0"}} 3 {trace}\n' in text
    assert text.count("trace_id") == 1


def test_numbers_are_read_anew_and_the_rest_is_remembered() -> None:
    exposition, histogram = Exposition(), waits()
    families = [Family(DURATION, [(("x",), histogram)])]
    page(exposition, families)
    histogram.record(0.1)
    assert b'_count{a="x"} 5\n' in page(exposition, families)


@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
def test_a_long_page_pauses_after_some_lines_and_is_the_same(content_type: str) -> None:
    """33,000 lines in one go held the loop for a fifth of a second."""
    exposition = Exposition()
    families = [Family(DURATION, [((f"{number}",), waits()) for number in range(2000)]), None, *FAMILIES[::2]]
    for _ in range(2):  # the second time most of it is remembered
        pieces = list(exposition.pieces(families, content_type))
        text = b"".join(pieces)
        pauses = pieces.count(b"")
        assert pauses >= text.count(b"\n") / (LINES + 8)
    assert text == b"".join(Exposition().pieces(families, content_type))


def test_who_names_openmetrics_gets_it() -> None:
    assert wanted("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1") == OPENMETRICS
    assert wanted("text/plain") == wanted("") == wanted("*/*") == TEXT


def test_every_name_is_legal_and_its_own() -> None:
    names = [name(item) for item in INSTRUMENTS]
    assert len(set(names)) == len(names) > 30
    assert all(re.fullmatch(r"[a-z_][a-z0-9_]*", item) for item in names)
    assert not [item for item in names if item.endswith(("_total", "_count", "_sum", "_bucket"))]


@given(st.text())
def test_any_label_can_be_read_back(label: str) -> None:
    text = page(Exposition(), [Family(DURATION, [((label,), Histogram((1.0,)))])]).decode()
    (line,) = [part for part in text.split("\n") if part.startswith("guard_wait_duration_seconds_sum")]
    match = re.fullmatch(r'guard_wait_duration_seconds_sum(?:\{a="((?:[^"\\]|\\["\\n])*)"\})? 0\.0', line, re.DOTALL)
    assert match is not None
    read = re.sub(r"\\(.)", lambda item: "\n" if item[1] == "n" else item[1], match[1] or "", flags=re.DOTALL)
    assert read == label
