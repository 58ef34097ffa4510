"""The last rung: which status, which words, how long to wait."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from guard.dialects import DIALECTS
from guard.ladder.disabled import Disabled
from guard.proxy.values import REASONS, Answer, Closed
from tests.ladder.test_rules import permit


def answered(declared: Any = None, closed: Closed | None = None) -> Answer:
    return Disabled(DIALECTS["json"], declared).ask(permit(), closed, 0.0)


@pytest.mark.parametrize("reason", REASONS)
def test_implied_by_what_closed_the_rung_above(reason: Any) -> None:
    answer = answered(closed=Closed(reason))
    expected = 504 if reason in ("timeout", "no_time") else 503
    if reason in ("connect", "tls", "reset", "malformed", "too_large", "status", "invalid", "version"):
        expected = 502
    if reason == "budget":
        expected = 429
    assert answer.status == expected
    body = json.loads(answer.body)
    assert (body["code"], body["status"], body["type"]) == (reason, expected, f"urn:guard:error:{reason}")
    assert (b"retry-after" in dict(answer.headers)) is (expected in (429, 503))


def test_retry_after_is_whole_seconds_and_at_least_one() -> None:
    for wait, said in ((None, b"1"), (0.2, b"1"), (7.1, b"8")):
        assert dict(answered(closed=Closed("backoff", wait)).headers)[b"retry-after"] == said


def test_a_budget_that_denies_answers_429_whatever_is_declared() -> None:
    declared = SimpleNamespace(status=200, body={"label": "review"}, retry_after=None)
    assert answered(declared, Closed("budget", 60.0)).status == 200
    answer = answered(declared, Closed("budget", 60.0, last=True))
    assert (answer.status, dict(answer.headers)[b"retry-after"]) == (429, b"60")


def test_declared() -> None:
    declared = SimpleNamespace(status=200, body={"label": "closed"}, retry_after=30.0)
    answer = answered(declared, Closed("connect"))
    assert (answer.status, json.loads(answer.body)) == (200, {"label": "closed"})
    assert dict(answer.headers)[b"retry-after"] == b"30"
    text = answered(SimpleNamespace(status=418, body="tea", retry_after=None))
    assert (text.status, text.body) == (418, b"tea")
    assert json.loads(answered(SimpleNamespace(status=500, body=None, retry_after=None)).body)["status"] == 500
