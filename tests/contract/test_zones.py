"""Times without an offset: refused with a word of their own, or read in the zone that the field declares."""

import json
from datetime import UTC, datetime

import pytest

from guard.contract.validators import instant, moment
from guard.policy.errors import PolicyInvalid
from guard.proxy.values import Amend, Deny, Lower
from tests.contract.making import JSON, WALL, input_of, route, said
from tests.dialects.speaking import ask, compiled, own

ZONED = "input: {at: {type: timestamp, zone: %s, freshness: {warn: 1m, stale: 1h, skew: 1m}}}"
PANDAS = [
    "2024-01-02 03:04:05",
    "2024-01-02T03:04:05.123",
    "2024-01-02T03:04:05.123456789",
    "2024-01-02 03:04:05.5",
    "2024-01-02",
]
"""str(Timestamp), to_json(date_format="iso"), the same with date_unit="ns", to_csv; a column that is midnight throughout."""
NO_TIMES = [
    "2024-01-02T03:04",
    "2024-02-30 00:00:00",
    "2024-01-02 24:00:00",
    "2024-01-02x",
    "now",
    "2024-01-02T03:04:05,1",
    " 2024-01-02",
    "2024-01-02 03:04:05 ",
]


def body(value: object) -> bytes:
    return json.dumps({"at": value}).encode()


@pytest.mark.parametrize("text", PANDAS)
def test_without_a_zone_a_time_without_offset_is_told_of_it(text: str) -> None:
    assert said(input_of("input: {at: {type: timestamp}}").judge(JSON, body(text), WALL)) == ["/at offset"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
@pytest.mark.parametrize("text", [*PANDAS, "2024-01-02T03:04:05Z", "2024-01-02 03:04:05+05:30"])
def test_with_a_zone_it_is_taken_and_sent_as_it_came(zone: str, text: str) -> None:
    verdict = input_of(f"input: {{at: {{type: timestamp, zone: {zone}}}}}").judge(JSON, body(text), WALL)
    assert type(verdict) is Amend
    assert json.loads(verdict.body) == {"at": text}


@pytest.mark.parametrize("text", NO_TIMES)
@pytest.mark.parametrize("zone", ["", ", zone: UTC"])
def test_what_is_no_time_is_none_in_any_zone(text: str, zone: str) -> None:
    assert said(input_of(f"input: {{at: {{type: timestamp{zone}}}}}").judge(JSON, body(text), WALL)) == ["/at format"]


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("UTC", "2024-07-01 12:00:00", "2024-07-01T12:00:00"),
        ("Europe/Paris", "2024-07-01 12:00:00", "2024-07-01T10:00:00"),
        ("Europe/Paris", "2024-01-01T12:00:00.250", "2024-01-01T11:00:00.250"),
        ("Europe/Paris", "2024-01-02", "2024-01-01T23:00:00"),
        ("Asia/Kolkata", "2024-01-01 12:00:00", "2024-01-01T06:30:00"),
        ("America/St_Johns", "2024-07-01 12:00:00+00:00", "2024-07-01T12:00:00"),
        ("Europe/Paris", "2024-07-01t12:00:00z", "2024-07-01T12:00:00"),
        ("Europe/Paris", "2024-10-27 02:30:00", "2024-10-27T00:30:00"),  # shown twice: the first, in summer time
        ("Europe/Paris", "2024-10-27 03:00:00", "2024-10-27T02:00:00"),
        ("Europe/Paris", "2024-03-31 02:30:00", "2024-03-31T01:30:00"),  # skipped: 03:30 of summer time
        ("America/New_York", "2024-11-03 01:59:59", "2024-11-03T05:59:59"),
    ],
)
def test_the_instant_of_a_time(zone: str, text: str, expected: str) -> None:
    assert instant(text, None, zone) == datetime.fromisoformat(expected).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999999"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_times_at_the_ends_of_the_calendar_have_an_age_too(text: str, zone: str) -> None:
    assert type(input_of(ZONED % zone).judge(JSON, body(text), WALL)) in (Lower, Deny)


@pytest.mark.parametrize(("age", "kind"), [(0, Amend), (3590, Amend), (3610, Lower), (-50, Amend), (-70, Deny)])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_freshness_is_computed_in_the_zone(zone: str, age: float, kind: type) -> None:
    there = datetime.fromtimestamp(WALL - age, moment("2024-01-01", zone).tzinfo)
    verdict = input_of(ZONED % zone).judge(JSON, body(there.strftime("%Y-%m-%d %H:%M:%S")), WALL)
    assert type(verdict) is kind
    if not isinstance(verdict, Deny):
        assert verdict.facts is not None
        assert verdict.facts.ages == [("at", [pytest.approx(age)])]


def test_rules_read_a_time_in_its_zone() -> None:
    policy = (
        "input: {at: {type: timestamp, zone: Asia/Tokyo}}\noutput: {y: {type: integer}}\n"
        "fallback:\n  - rules: [{when: 'at < timestamp(\"2024-01-01T00:00:00Z\")', answer: {y: 1}}, {answer: {y: 2}}]\n"
    )
    compiled_ = compiled(policy)
    kind = [(b"content-type", b"application/json")]
    for text, answer in (("2024-01-01 08:59:59", 1), ("2024-01-01 09:00:00", 2), ("2024-01-01T00:30:00Z", 2)):
        assert json.loads(own(compiled_, ask(compiled_, kind, body(text))).body) == {"y": answer}


def test_a_zone_is_declared_deeper_too_and_in_csv() -> None:
    nested = "input: {a: {type: array, items: {type: object, fields: {t: {type: timestamp, zone: UTC}}}}}"
    assert type(input_of(nested).judge(JSON, b'{"a":[{"t":"2024-01-02 03:04:05"}]}', WALL)) is Amend
    table = compiled("dialect: mlflow\ninput: {t: {type: timestamp, zone: UTC}}")
    permit = ask(table, [(b"content-type", b"text/csv")], b"t\n2024-01-02\n2024-01-03 04:05:06\n")
    assert permit.body == b"t\n2024-01-02\n2024-01-03 04:05:06\n"


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("zone: Europe/Pariss", '"Europe/Pariss" is no IANA time zone; did you mean "Europe/Paris"?'),
        ("zone: ../../etc/passwd", '"../../etc/passwd" is no IANA time zone'),
        ("zone: Europe", '"Europe" is no IANA time zone'),
        ("zone: ''", '"" is no IANA time zone'),
        ("zone: UTC, unit: s", "an epoch number counts from 1970 in UTC, whatever the zone"),
        ("default: 2024-01-02 03:04:05", '"2024-01-02 03:04:05" has no offset from UTC'),
    ],
)
def test_a_policy_is_told_what_is_wrong_with_its_zone(field: str, message: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        route(f"input: {{t: {{type: timestamp, {field}}}}}")
    assert message in str(caught.value)


def test_a_default_without_offset_needs_the_zone() -> None:
    made = route("input: {t: {type: timestamp, zone: UTC, default: 2024-01-02 03:04:05}}")
    assert made.inputs["t"].default == "2024-01-02 03:04:05"
