"""Events: their lines in the log are what operators know, and nothing but a writer of lines depends on how they are spelled."""

import io
import json
import logging
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from guard import events
from guard.control.incidents.events import SOURCES, changes
from guard.events import Event, event_types
from guard.telemetry.log import Log
from tests.test_runbook import first_column

ROOT = Path(__file__).resolve().parents[1]
ORDER: dict[str, Any] = {"who": "ann", "route": "POST /p", "why": "bad", "epoch": 3}

LINES: list[tuple[Event, dict[str, Any]]] = [
    (events.RouteServed(route="POST /p", ladder="model > rules", contract="enforce"),
     {"level": "info", "event": "route", "route": "POST /p", "ladder": "model > rules", "contract": "enforce"}),
    (events.Serving(version="1", service="s", policy="sha256:1", listen="h:1", upstream="http://h", pid=7),
     {"level": "info", "event": "serving", "version": "1", "service": "s", "policy": "sha256:1", "listen": "h:1",
      "upstream": "http://h", "pid": 7}),
    (events.Ready(), {"level": "info", "event": "ready"}),
    (events.Hint(message="m"), {"level": "info", "event": "hint", "message": "m"}),
    (events.Draining(seconds=5.0), {"level": "info", "event": "draining", "seconds": 5.0}),
    (events.Stopped(cut=2), {"level": "info", "event": "stopped", "cut": 2}),
    (events.FewDescriptors(connections=1, wanted=2),
     {"level": "warning", "event": "few_descriptors", "connections": 1, "wanted": 2}),
    (events.PolicyApplied(policy="sha256:1"), {"level": "info", "event": "policy", "policy": "sha256:1"}),
    (events.PolicyRefused(in_force="sha256:1", errors=("a", "b")),
     {"level": "error", "event": "policy_refused", "in_force": "sha256:1", "errors": ["a", "b"]}),
    (events.PolicyWarning(message="m"), {"level": "info", "event": "warning", "message": "m"}),
    (events.CertificateRefused(why="w"), {"level": "error", "event": "certificate_refused", "why": "w"}),
    (events.ModeChanged(before="normal", after="rules", until=None, **ORDER),
     {"level": "warning", "event": "mode", "who": "ann", "route": "POST /p", "from": "normal", "to": "rules", "why": "bad",
      "until": None, "epoch": 3}),
    (events.BreakerForced(target="model", before="auto", after="open", **ORDER),
     {"level": "warning", "event": "breaker", "who": "ann", "route": "POST /p", "target": "model", "from": "auto",
      "to": "open", "why": "bad", "epoch": 3}),
    (events.EnforcementChanged(before="enforce", after="observe", until=9.5, **ORDER),
     {"level": "warning", "event": "enforcement", "who": "ann", "route": "POST /p", "from": "enforce", "to": "observe",
      "why": "bad", "until": 9.5, "epoch": 3}),
    (events.ModeRecalled(route=None, mode="rules", who="ann", why="bad"),
     {"level": "warning", "event": "mode_recalled", "route": None, "mode": "rules", "who": "ann", "why": "bad"}),
    (events.OrdersUnreadable(why="w"), {"level": "error", "event": "orders_unreadable", "why": "w"}),
    (events.EnforcementRefused(route="POST /p", enforcement="observe", why="w"),
     {"level": "error", "event": "enforcement_refused", "route": "POST /p", "enforcement": "observe", "why": "w"}),
    (events.EnforcementDue(route="POST /p", why="w"),
     {"level": "error", "event": "enforcement_due", "route": "POST /p", "why": "w"}),
    (events.OrdersNotDurable(epoch=3, why="w"), {"level": "error", "event": "orders_not_durable", "epoch": 3, "why": "w"}),
    (events.OrdersDurable(epoch=3), {"level": "warning", "event": "orders_durable", "epoch": 3}),
    (events.AuditUnavailable(entries=2, why="w"),
     {"level": "error", "event": "audit_unavailable", "entries": 2, "why": "w"}),
    (events.StateUnavailable(why="w"), {"level": "warning", "event": "state_unavailable", "why": "w"}),
    (events.AdminListening(listen="h:1"), {"level": "info", "event": "admin", "listen": "h:1"}),
    (events.AdminUnavailable(why="w"), {"level": "warning", "event": "admin_unavailable", "why": "w"}),
    (events.TokensRead(count=2), {"level": "info", "event": "tokens", "count": 2}),
    (events.LabelsDamaged(file="f", why="w"), {"level": "error", "event": "labels_damaged", "file": "f", "why": "w"}),
    (events.LabelsUnavailable(why="w"), {"level": "warning", "event": "labels_unavailable", "why": "w"}),
    (events.TokensRefused(lines=(3, 5)), {"level": "error", "event": "tokens_refused", "lines": [3, 5]}),
    (events.TokensUnreadable(why="w", grace=10.0), {"level": "error", "event": "tokens_unreadable", "why": "w", "grace": 10.0}),
    (events.TokensWithdrawn(), {"level": "error", "event": "tokens_withdrawn"}),
    (events.SecretExposed(key="k", path="/p", why="w"), {"level": "warning", "event": "secret_exposed", "key": "k", "path": "/p", "why": "w"}),
    (events.BreakerChanged(route="POST /p", target="model", before="closed", after="open", why="failure_rate"),
     {"level": "warning", "event": "breaker", "route": "POST /p", "target": "model", "before": "closed", "after": "open",
      "why": "failure_rate"}),
    (events.VersionChanged(route="POST /p", target="model", before="1", after="2"),
     {"level": "warning", "event": "model_version_changed", "route": "POST /p", "target": "model", "before": "1", "after": "2"}),
    (events.VersionDisagrees(route="POST /p", served="2", release="1"),
     {"level": "warning", "event": "model_version_disagrees", "route": "POST /p", "served": "2", "release": "1"}),
    (events.BudgetReached(share=0.8, alert_at=0.75, daily=10.0, currency="EUR"),
     {"level": "warning", "event": "budget", "share": 0.8, "alert_at": 0.75, "daily": 10.0, "currency": "EUR",
      "route": None, "on_spent": "alert"}),
    (events.BudgetReached(share=1.1, alert_at=1.0, daily=10.0, currency="EUR", route="POST /p", on_spent="next"),
     {"level": "error", "event": "budget", "share": 1.1, "alert_at": 1.0, "daily": 10.0, "currency": "EUR",
      "route": "POST /p", "on_spent": "next"}),
    (events.ContractStorm(route="POST /p", share=0.3, requests=100, field="age", code="min"),
     {"level": "warning", "event": "contract_storm", "route": "POST /p", "share": 0.3, "requests": 100, "field": "age",
      "code": "min"}),
    (events.ContractStormEnded(route="POST /p"), {"level": "warning", "event": "contract_storm_over", "route": "POST /p"}),
    (events.BurnChanged(route="POST /p", objective="error_rate", before="ok", after="fast", burn_5m=20.0, burn_1h=15.0, left=0.5,
                        told=True),
     {"level": "warning", "event": "burn", "route": "POST /p", "objective": "error_rate", "before": "ok", "after": "fast",
      "burn_5m": 20.0, "burn_1h": 15.0, "left": 0.5, "told": True}),
    (events.RouteDescended(route="POST /p", to="rules", objective="error_rate", lasts=1800.0, number=1, held=False),
     {"level": "warning", "event": "burn_descent", "route": "POST /p", "to": "rules", "objective": "error_rate",
      "lasts": 1800.0, "number": 1, "held": False}),
    (events.RouteReturned(route="POST /p", to="rules", why="healed"),
     {"level": "warning", "event": "burn_return", "route": "POST /p", "to": "rules", "why": "healed"}),
    (events.VolumeChanged(before="ok", after="silence", expected=5.0, recent=0, quiet=600.0),
     {"level": "warning", "event": "volume", "before": "ok", "after": "silence", "expected": 5.0, "recent": 0, "quiet": 600.0}),
    (events.ReleaseOrdered(who="ann", route=None, order="canary", candidate="2", detail="step 1", why="go", epoch=3),
     {"level": "warning", "event": "release", "who": "ann", "route": None, "order": "canary", "candidate": "2", "detail": "step 1", "why": "go",
      "epoch": 3}),
    (events.CandidateAborted(candidate="2", digest="d", who="guard", why="w"),
     {"level": "error", "event": "candidate_aborted", "candidate": "2", "digest": "d", "who": "guard", "why": "w"}),
    (events.CandidateAgain(candidate="2", digest="d", who="ann"),
     {"level": "warning", "event": "candidate_again", "candidate": "2", "digest": "d", "who": "ann"}),
    (events.ReleaseRecalled(model="2", url="http://h:1", declared="1"),
     {"level": "warning", "event": "release_recalled", "model": "2", "url": "http://h:1", "declared": "1"}),
    (events.DriftFound(route="POST /p", signal="output:label:values", signals=("output:label:values",), topic="model_quality",
                       strength="critical", onset="2026-12-01T00:00:00Z", effect=1.4, rows=117, stage="gross",
                       cells=("output:label:values a: 59.0% to 100.0%",)),
     {"level": "warning", "event": "drift", "route": "POST /p", "signal": "output:label:values",
      "signals": ["output:label:values"], "topic": "model_quality", "strength": "critical", "onset": "2026-12-01T00:00:00Z",
      "effect": 1.4, "rows": 117, "stage": "gross", "cells": ["output:label:values a: 59.0% to 100.0%"]}),
    (events.DriftEnded(route="POST /p", signal="output:label:values", topic="model_quality", strength="critical",
                       verdict="over", who="guard", why="the traffic is as before"),
     {"level": "warning", "event": "drift_over", "route": "POST /p", "signal": "output:label:values", "topic": "model_quality",
      "strength": "critical", "verdict": "over", "who": "guard", "why": "the traffic is as before"}),
    (events.MonitoringForgotten(route="POST /p", why="other fields"),
     {"level": "warning", "event": "drift_forgotten", "route": "POST /p", "why": "other fields"}),
    (events.LoopError(error="OSError", errno=9, place="guard/x.py:1:f", count=4),
     {"level": "error", "event": "loop_error", "error": "OSError", "errno": 9, "place": "guard/x.py:1:f", "count": 4}),
    (events.TelemetrySetting(message="m"), {"level": "warning", "event": "telemetry_setting", "message": "m"}),
    (events.Exporting(signals=("metrics",)), {"level": "info", "event": "exporting", "signals": ["metrics"]}),
    (events.TelemetryLost(lost={("alerts", "shutdown"): 1}),
     {"level": "warning", "event": "telemetry_lost", "alerts shutdown": 1}),
    (events.AlertLost(webhook=0, format="json", kind="mode", why="500"),
     {"level": "warning", "event": "alert_lost", "webhook": 0, "format": "json", "kind": "mode", "why": "500"}),
    (events.LibraryLine(severity_logged=logging.ERROR, logger="l", where="m:1"),
     {"level": "error", "event": "library", "logger": "l", "where": "m:1"}),
]  # fmt: skip
"""What operators' searches and alerts on the log depend on, since before events had types."""


def line(event: Event) -> dict[str, Any]:
    stream = io.StringIO()
    log = Log(stream)
    log.take(event)
    log.close()
    (text,) = stream.getvalue().splitlines()
    document: dict[str, Any] = json.loads(text)
    del document["time"]
    return document


@pytest.mark.parametrize(("event", "expected"), LINES, ids=lambda item: item.name if isinstance(item, Event) else "")
def test_lines_of_the_log_keep_their_names_and_keys(event: Event, expected: dict[str, Any]) -> None:
    assert line(event) == expected


def test_no_line_that_operators_know_is_left_out_of_that_table() -> None:
    new = {"task_crashed", "task_stuck", "incident_failed", "loop_stalled", "file_unreadable", "file_readable"}
    new |= {"telemetry_crashed"}
    assert {kind.name for kind in event_types()} - {event.name for event, _ in LINES} == new


@pytest.mark.parametrize("kind", event_types())
def test_every_event_is_documented(kind: type[Event]) -> None:
    assert kind.name in first_column("What the log says")
    assert kind.__doc__
    assert f"| `{kind.__name__}` | `{kind.name}` |" in (ROOT / "docs" / "telemetry.md").read_text()
    assert all(field.kw_only for field in fields(kind))


@pytest.mark.parametrize("event", [event for event, _ in LINES if type(event) in SOURCES], ids=lambda event: event.name)
def test_renaming_what_the_log_says_changes_no_incident(event: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(changes(event, 1.7e9))
    for kind in (Event, events.OrderGiven):
        monkeypatch.setattr(kind, "keys", lambda _: {"renamed": 1})
    for kind in event_types():
        monkeypatch.setattr(kind, "name", f"renamed_{kind.name}")
    assert line(event).keys() == {"level", "event", "renamed"}
    assert list(changes(event, 1.7e9)) == before


def test_nobody_says_an_event_by_a_name() -> None:
    by_name = re.compile(r"""(?<!@)\b_?(?:event|log)\(\s*["']""")
    results = [str(path) for path in (ROOT / "guard").rglob("*.py") if by_name.search(path.read_text())]
    assert results == []


def test_nobody_but_writers_of_lines_reads_how_an_event_is_spelled() -> None:
    writers = {"guard/telemetry/log.py"}
    reads = re.compile(r"\bevent\.keys\(\)")
    results = {str(path.relative_to(ROOT)) for path in (ROOT / "guard").rglob("*.py") if reads.search(path.read_text())}
    assert results <= writers
