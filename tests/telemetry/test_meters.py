"""One record, and the series that it belongs to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.proxy.values import Facts, Measure, Record, Violation
from guard.telemetry.accumulators import Histogram
from guard.telemetry.family import attributes, counted
from guard.telemetry.meters import Meters, origin
from guard.telemetry.record_batcher import RecordBatcher
from tests.telemetry.later import Later
from tests.telemetry.records import ROUTE, attempt, prediction, record, route, trace


def told(meters: Meters) -> dict[str, list[tuple[dict[str, str], Any]]]:
    """Series by instrument; of a histogram count and sum. Zeros are left out."""
    by_name: dict[str, list[tuple[dict[str, str], Any]]] = {}
    for instrument, points, _ in counted(meters.series()):
        for labels, value in points:
            number = (sum(value.counts), round(value.sum, 6)) if isinstance(value, Histogram) else value.value
            if number and number != (0, 0.0):
                by_name.setdefault(instrument.name, []).append((attributes(instrument, labels), number))
    return by_name


def of(*records: Record) -> dict[str, list[tuple[dict[str, str], Any]]]:
    meters = Meters()
    for item in records:
        meters.take(iter([item]))
    return told(meters)


FEWER = route(measures=route().measures[:1])
AT = {"http.request.method": "POST", "http.route": "/p"}


def test_a_plain_answer_of_the_model() -> None:
    found = of(record())
    http = {**AT, "http.response.status_code": "200", "url.scheme": "http", "network.protocol.version": "1.1"}
    assert found["http.server.request.duration"] == [(http, (1, 0.25))]
    called = {"http.request.method": "POST", "server.address": "m", "server.port": "8080", "url.scheme": "http"}
    assert found["http.client.request.duration"] == [
        ({**called, "http.response.status_code": "200", "guard.source": "model"}, (1, 0.2))
    ]
    assert found["guard.overhead.duration"] == [(AT, (1, 0.03))]  # 250 ms, less 10 of reading and 210 of the call
    assert found["guard.requests"] == [({**AT, "guard.source": "model", "guard.model.version": "7"}, 1)]
    assert found["guard.instances"] == [(AT, 1)]
    by_name = {**AT, "guard.source": "model", "guard.model.version": "7"}
    assert found["guard.predictions"] == [
        ({**by_name, "guard.output": "label", "guard.class": "yes"}, 1),
        ({**by_name, "guard.output": "score", "guard.class": "<value>"}, 1),
    ]
    assert found["guard.prediction.value"] == [({**by_name, "guard.output": "score"}, (1, 0.5))]
    assert set(found) == {
        "http.server.request.duration", "http.client.request.duration", "guard.overhead.duration", "guard.requests",
        "guard.instances", "guard.predictions", "guard.prediction.value",
    }  # fmt: skip


def test_a_fallback_never_pollutes_the_models_picture() -> None:
    found = of(
        record(
            source="rules", reason="invalid", version="", descents=[("model", "invalid"), ("previous", "timeout")],
            attempts=[attempt(), attempt(status=0, failed="timeout")],
            predictions=[prediction(["who"], [7.0], valid=False), prediction(["no"], [0.0], source="rules", version="")],
            answer_violations=[Violation("/who", "null")], discarded=[Violation("/score", "max")],
        )
    )  # fmt: skip
    assert [value for labels, value in found["guard.predictions"] if labels["guard.source"] == "rules"] == [1, 1]
    odd = {
        labels["guard.class"]: value for labels, value in found["guard.predictions"] if labels["guard.source"] == "model"
    }
    assert odd == {"<unseen>": 1, "<out_of_range>": 1}
    assert [(labels["guard.source"], labels["guard.reason"]) for labels, _ in found["guard.fallbacks"]] == [
        ("model", "invalid"),
        ("previous", "timeout"),
    ]
    assert found["guard.requests"] == [({**AT, "guard.source": "rules", "guard.reason": "invalid"}, 1)]
    assert found["guard.violations"] == [
        ({**AT, "guard.direction": "output", "guard.field": "who", "guard.code": "null"}, 1),
        ({**AT, "guard.direction": "output", "guard.field": "score", "guard.code": "max"}, 1),
    ]
    assert [labels.get("error.type") for labels, _ in found["http.client.request.duration"]] == [None, "timeout"]


@pytest.mark.parametrize(
    ("changes", "source", "reason", "error"),
    [
        ({"source": None, "code": "contract", "status": 422}, "none", "contract", None),
        ({"source": None, "code": "internal", "status": 500, "error": "ValueError"}, "none", "internal", "ValueError"),
        ({"source": None, "departure": "client", "status": 0}, "gone", None, None),
        ({"source": "disabled", "reason": "timeout", "status": 504}, "disabled", "timeout", "504"),
    ],
)
def test_who_did_not_get_the_models_answer(
    changes: dict[str, Any], source: str, reason: str | None, error: str | None
) -> None:
    found = of(record(**{**changes, "version": "", "predictions": [], "attempts": []}))
    ((labels, _),) = found["guard.requests"]
    assert (labels["guard.source"], labels.get("guard.reason")) == (source, reason)
    ((labels, _),) = found["http.server.request.duration"]
    assert labels.get("error.type") == error


def test_what_a_contract_noticed() -> None:
    facts = Facts([("age", "at_min", 2), ("tenure", "defaulted", 1)], [("at", [10.0, -3.0])], [("note", "email", 3)])
    found = of(record(rows=5, facts=facts, violations=[Violation("/age", "stale")]))
    assert [(labels["guard.field"], labels["guard.state"], n) for labels, n in found["guard.features"]] == [
        ("age", "at_min", 2),
        ("tenure", "defaulted", 1),
    ]
    assert found["guard.feature.age"] == [({**AT, "guard.field": "at"}, (2, 7.0))]
    assert found["guard.redactions"] == [({**AT, "guard.field": "note", "guard.detector": "email"}, 3)]
    assert found["guard.instances"] == [(AT, 5)]
    assert found["guard.violations"][0][0]["guard.direction"] == "input"


def test_nobody_is_matched() -> None:
    found = of(
        record(matched=None, route="", source=None, code="not_found", status=404, predictions=[], attempts=[], rows=None)
    )
    assert found["guard.requests"] == [
        (
            {
                "http.request.method": "POST",
                "guard.source": "none",
                "guard.reason": "not_found",
                "guard.model.version": "7",
            },
            1,
        )
    ]


def test_labels_that_traffic_brings_are_bounded() -> None:
    meters = Meters()
    for number in range(3000):
        meters.take(
            iter(
                [
                    record(
                        version=f"v{number}",
                        status=100 + number % 900,
                        predictions=[prediction(["yes"], [0.5], version=f"v{number}")],
                    )
                ]
            )
        )
    found = told(meters)
    versions = {labels["guard.model.version"] for labels, _ in found["guard.requests"]}
    assert len(versions) == 51
    assert "other" in versions
    assert len({labels["http.response.status_code"] for labels, _ in found["http.server.request.duration"]}) == 51
    assert sum(n for _, n in found["guard.requests"]) == 3000
    assert sum(n for labels, n in found["guard.predictions"] if labels["guard.class"] == "yes") == 3000


def test_a_route_that_leaves_the_policy_takes_its_series_along() -> None:
    meters, other = Meters(), route(template="/other")
    meters.take(iter([record()]))
    meters.take(iter([record(matched=other, route="/other")]))
    meters.declare([ROUTE], 0.0)
    meters.take(iter([record()]))
    found = told(meters)
    assert {labels["http.route"] for labels, _ in found["guard.requests"]} == {"/p"}
    assert found["guard.requests"][0][1] == 2


def test_a_contract_that_changes_is_tallied_anew_and_what_did_not_change_goes_on() -> None:
    meters = Meters()
    meters.take(iter([record()]))
    meters.declare([FEWER], 0.0)
    meters.take(iter([record(matched=FEWER, predictions=[prediction(["no"])])]))
    found = told(meters)
    assert {labels["guard.class"]: n for labels, n in found["guard.predictions"]} == {"yes": 1, "no": 1}
    assert "guard.prediction.value" not in found


def test_an_exchange_of_the_contract_before_is_counted_by_the_one_in_force() -> None:
    """It was judged by another: what it answered is looked at again, and an output that is gone is not counted."""
    meters = Meters()
    meters.declare([route(measures=(Measure("score", "number", (), 0.0, 0.4), Measure("new", "presence")))], 0.0)
    meters.take(iter([record(predictions=[prediction(["yes", "no"], [0.3, 0.5])])]))
    found = told(meters)
    assert {labels["guard.class"]: n for labels, n in found["guard.predictions"]} == {"<value>": 1, "<out_of_range>": 1}
    assert [number for _, number in found["guard.prediction.value"]] == [(1, 0.3)]


def test_classes_that_python_takes_for_equal_are_other_classes() -> None:
    numbers, truths = (route(measures=(Measure("label", "class", classes),)) for classes in ((1, 0), (True, False)))
    meters = Meters()
    meters.take(iter([record(matched=numbers, predictions=[prediction([1])])]))
    meters.declare([truths], 0.0)
    meters.take(iter([record(matched=truths, predictions=[prediction([True])])]))
    assert {labels["guard.class"]: n for labels, n in told(meters)["guard.predictions"]} == {"true": 1}


def test_the_same_path_with_another_method_is_another_route() -> None:
    meters, get = Meters(), route(method="GET", template="/p")
    for method, matched in (("POST", ROUTE), ("GET", get), ("HEAD", get)):
        meters.take(iter([record(method=method, matched=matched)]))
    meters.declare([get], 0.0)
    assert {labels["http.request.method"] for labels, _ in told(meters)["guard.requests"]} == {"GET", "HEAD"}
    meters.declare([ROUTE], 0.0)
    assert set(told(meters)) == {"http.client.request.duration"}


KINDS: list[dict[str, Any]] = [
    {},
    {"ended_at": 103.0, "predictions": [prediction(["no"], [0.9])]},
    {"version": "8", "predictions": [prediction(["yes"], [0.1], version="8")]},
    {"rows": 3, "predictions": [prediction(["yes", None, "no"], [0.1, 0.2, None])]},
    {"predictions": [prediction(["who"], [10**400], valid=False), prediction(["no"], [0.0], source="rules")],
     "descents": [("model", "invalid")], "source": "rules", "attempts": [attempt(), attempt(failed="timeout", status=0)]},
    {"source": None, "code": "contract", "status": 422, "predictions": [], "attempts": [], "rows": 1,
     "violations": [Violation("/age", "min")], "facts": Facts([("age", "at_min", 2)], [("at", [3.0])], [])},
    {"matched": None, "route": "", "source": None, "code": "not_found", "predictions": [], "attempts": [], "rows": None},
    {"matched": route(template="/other"), "route": "/other"},
]  # fmt: skip


@given(st.lists(st.sampled_from(KINDS), max_size=40))
def test_a_batch_is_as_its_records_one_by_one(kinds: list[dict[str, Any]]) -> None:
    together = Meters()
    together.take(record(**kind) for kind in kinds)
    assert spread(together) == spread(Meters(), *(record(**kind) for kind in kinds))


def spread(meters: Meters, *records: Record) -> dict[tuple[str, Any], Any]:
    """All points; of a histogram its buckets."""
    for item in records:
        meters.take(iter([item]))
    return {
        (family.instrument.name, labels): [*point.counts, pytest.approx(point.sum)]
        if isinstance(point, Histogram)
        else point.value
        for family in counted(meters.series())
        for labels, point in family.points
    }


@pytest.mark.source
@pytest.mark.parametrize(
    "broken",
    [
        {"attempts": [None]}, {"predictions": [prediction(["yes"])]}, {"predictions": [None]}, {"descents": 7},
        {"ended_at": None}, {"matched": "no route"},
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_counted_takes_no_other_along(broken: dict[str, Any]) -> None:
    meters = Meters()
    box = RecordBatcher([meters], Later())
    for item in ({}, {}, broken, {}, broken, {"status": 500}, {}):
        box.record(record(**item))
    box.flush()
    assert box.crashes == {"Meters": 2}
    found = told(meters)
    partly = sum(n for _, n in found["guard.requests"]) - 5  # of the broken ones, what was counted before it broke
    assert 0 <= partly <= 2
    answers = {labels["guard.class"]: n for labels, n in found["guard.predictions"]}
    assert answers["yes"] == answers["<value>"] == found["guard.prediction.value"][0][1][0]
    assert answers["yes"] - 5 in {0, partly}


def test_exemplars_are_of_traces_that_somebody_can_find() -> None:
    for made, kept in ((trace(), True), (trace(sampled=False), False), (trace(told=False), False)):
        meters = Meters()
        meters.take(iter([record(trace=made)]))
        (family,) = [
            bucket for bucket in counted(meters.series()) if bucket.instrument.name == "http.server.request.duration"
        ]
        assert bool(family.points[0][1].exemplars) is kept  # type: ignore[union-attr]
    silent = Meters(exemplars=False)
    silent.take(iter([record(trace=trace())]))
    (family,) = [bucket for bucket in counted(silent.series()) if bucket.instrument.name == "http.server.request.duration"]
    assert family.points[0][1].exemplars is None  # type: ignore[union-attr]


def test_top_shares_are_of_models() -> None:
    meters = Meters()
    meters.take(iter([record(predictions=[prediction(["yes"], [0.5]), prediction(["no"], [0.5], source="rules")])]))
    shares = list(meters.top_shares(0.0))
    assert {labels[3] for labels, _ in shares} == {"model"}
    assert [share for _, share in shares] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://m:8080", ("m", "8080", "http")), ("https://m", ("m", "443", "https")), ("http://[::1]:1", ("::1", "1", "http")),
        ("unix:///run/m.sock", ("/run/m.sock", "", "http")),
    ],
)  # fmt: skip
def test_origins(url: str, told: tuple[str, str, str]) -> None:
    assert origin(url) == told
