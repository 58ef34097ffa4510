"""Every expression of dashboard and rules, asked of a real Prometheus that scrapes a real guard in trouble."""

import http.client
import json
import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from tests.answering import answering
from tests.kit.export.making import Exported, export, expressions, policy
from tests.servers.black_hole import closed_port
from tests.servers.process import until
from tests.servers.prometheus import Prometheus, prometheus
from tests.sidecar import Sidecar, sidecar

STRICT = "{latency_p95: 1ms, error_rate: 1%, availability: 99.5%, model_share: 95%, expected_rate: 1000000/s, cost: {per_request: 0.01 EUR, daily: 10 EUR}}"
"""Targets that the load breaks, where the policy's own are kept by it."""
CALM = STRICT.replace("1ms", "300ms").replace("1000000/s", "1/s")


def predict(head: bytes, body: bytes) -> tuple[int, bytes]:
    """A model whose mood is the first row's age; `/bare/{name}` is broken."""
    if head.startswith(b"GET"):
        return 200, b"{}"
    if b"/bare/broken" in head.split(b"\r\n", 1)[0]:
        return 500, b"{}"
    rows = json.loads(body).get("instances", [{"age": 30}])
    age = rows[0]["age"]
    label = "maybe" if age == 98 else "approve" if age < 60 else "decline"
    one = {"label": label, "score": 1.5 if age == 97 else age / 128, "odds": [0.2, 0.8], "why": "x"}
    return 200, json.dumps(one if b"/bare" in head else {"predictions": [one for _ in rows]}).encode()


def request(chance: random.Random, mood: str) -> tuple[str, str, Any]:
    """Of one mood: what a client asks."""
    rows = [{"age": chance.choice((18, 30, 64, 120)), "balance_at": int(time.time())}]
    match mood:
        case "denied":
            rows = [{"age": 3}]
        case "label" | "score":
            rows = [{"age": 98 if mood == "label" else 97}]
        case "mail":
            rows = [{"age": 50, "note": "write to bob@example.org"}]
        case "aging" | "stale":
            rows = [{"age": 40, "balance_at": int(time.time()) - (7200 if mood == "aging" else 90_000)}]
        case "bare" | "fine":
            return "POST", f"/bare/{'broken' if mood == 'bare' else 'fine'}", {"x": 1}
        case "health":
            return "GET", "/health", None
    return "POST", "/predict", {"instances": rows}


class Load:
    """One client that asks and asks, in the moods it is told."""

    def __init__(self, port: int) -> None:
        self.moods = ["good", "good", "fine", "health"]
        self.sent, self.pause = 0, 0.02
        self._port, self._end = port, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        chance, client = random.Random(7), http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._end.is_set():
            method, path, body = request(chance, chance.choice(self.moods))
            client.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
            client.getresponse().read()
            self.sent += 1
            self._end.wait(self.pause)
        client.close()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(20)


class Seen(NamedTuple):
    """A Prometheus after the trouble, and what it knew before."""

    scraped: Prometheus
    calm: dict[str, list[Any]]
    dashboard: dict[str, str]
    strict: Exported
    absent: Exported


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("live")
    with ExitStack() as stack:
        port = stack.enter_context(answering(predict))
        text = policy(CALM, port=port) + "kill_file: KILL\nadmin: {tokens: {file: tokens}}\n"
        (folder / "tokens").write_text(f"vera viewer sha256:{'0' * 64}\n")
        (folder / "policy.yaml").write_text(text)
        guard: Sidecar = stack.enter_context(sidecar("policy.yaml", folder=folder))
        target, dead = f"127.0.0.1:{guard.ops}", f"127.0.0.1:{stack.enter_context(closed_port())}"
        one = ("--selector", f'job="tests", instance="{target}"')
        calm = export("prometheus-rules", text, folder, *one)
        strict = export("prometheus-rules", policy(STRICT, port=port), folder, "--selector", '{job="tests"}')
        absent = export("prometheus-rules", policy().replace("credit-risk", "another"), folder, "--selector", 'job="tests"')
        (folder / "rules.yaml").write_text(strict.text)
        scraper = stack.enter_context(prometheus([target, dead], rules=[folder / "rules.yaml"]))
        lives = Prometheus(scraper.port, [target])
        load = Load(guard.port)
        stack.callback(load.stop)
        lives.scraped(4)
        before = {
            f"{rule['alert']} {rule['labels']['severity']}": scraper.query(rule["expr"])
            for rule in calm.rules
            if "alert" in rule
        }
        load.moods = ["denied", "label", "score", "mail", "stale", "bare", "bare", "health", *["aging"] * 10]
        sent, load.pause = load.sent, 0.002
        until(lambda: load.sent > sent + 1500, lambda: str(load.sent), 60)
        (folder / "policy.yaml").write_text("version: guard/v9\n")
        (folder / "KILL").write_text("rules")
        (folder / "tokens").write_text("vera viewer sha256:mistyped\n")
        guard.wait_for("policy_refused")
        guard.wait_for("tokens_refused")
        lives.scraped(int(scraper.query(f'count_over_time(up{{instance="{target}"}}[1h])')[0]["value"][1]) + 4)
        shown = expressions(export("grafana", text, folder, *one).document)
        yield Seen(scraper, before, shown, strict, absent)


def values(found: list[dict[str, Any]]) -> list[float]:
    return [float(item["value"][1]) for item in found]


def test_no_alert_while_all_is_well(seen: Seen) -> None:
    assert len(seen.calm) >= 13
    assert {name: found for name, found in seen.calm.items() if found} == {}


def test_every_expression_of_the_dashboard_has_data(seen: Seen) -> None:
    assert len(seen.dashboard) > 50
    empty = []
    for name, expr in seen.dashboard.items():
        values_read = values(seen.scraped.query(expr.replace("$__rate_interval", "1m")))
        if not any(math.isfinite(value) for value in values_read):
            empty.append((name, expr, values_read))
    assert empty == []


def test_every_rule_is_evaluated_and_records(seen: Seen) -> None:
    rules = [rule for group in seen.scraped.ask("rules")["groups"] for rule in group["rules"]]
    assert {(rule["name"], rule["health"], rule.get("lastError", "")) for rule in rules if rule["health"] != "ok"} == set()
    recorded = [rule for rule in seen.strict.rules if "record" in rule]
    assert len(recorded) == 30
    for rule in recorded:
        labels = ", ".join(f'{key}="{value}"' for key, value in rule["labels"].items())
        values_read = values(seen.scraped.query(f"{rule['record']}{{{labels}}}"))
        assert len(values_read) == 1, rule
        assert math.isfinite(values_read[0])


BUGS = {"GuardLoopErrors", "GuardTaskCrashed", "GuardSubscriberCrashed", "GuardLoopStalled", "GuardFileUnreadable"}
"""What only a bug of guard or a broken mount brings about; test_alerts has their series."""

DRIFT = {"GuardModelDrift", "GuardStaleData"}
"""What takes the 2,000 requests of a reference; tests/monitoring/test_live.py has a real alarm, test_can_fire these rules."""


def test_every_alert_is_true_in_trouble(seen: Seen) -> None:
    silent = [rule["alert"] for rule in seen.strict.rules if "alert" in rule and not seen.scraped.query(rule["expr"])]
    assert set(silent) == {"GuardAbsent", *BUGS, *DRIFT}
    (gone,) = [rule for rule in seen.absent.rules if rule.get("alert") == "GuardAbsent"]
    assert values(seen.scraped.query(gone["expr"])) == [1]


def test_alerts_name_what_they_are_about(seen: Seen) -> None:
    by_name = {rule["alert"]: seen.scraped.query(rule["expr"]) for rule in seen.strict.rules if "alert" in rule}
    where = {"http_request_method": "POST", "http_route": "/predict"}
    assert {**where, "guard_field": "balance_at"} in [item["metric"] for item in by_name["GuardFeatureStale"]]
    fields = {item["metric"]["guard_field"] for item in by_name["GuardAnswersInvalid"]}
    assert fields == {"label", "score"}
    assert [item["metric"]["http_route"] for item in by_name["GuardBreakerOpen"]] == ["/bare/{name}"]
    assert {item["metric"]["guard_mode"] for item in by_name["GuardModeLowered"]} <= {"rules", "disabled"}


def test_the_recorded_ratio_is_what_clients_saw(seen: Seen) -> None:
    (recorded,) = values(seen.scraped.query('slo:sli_error:ratio_rate1h{sloth_slo="availability"}'))
    failed = (
        'sum(http_server_request_duration_seconds_count{http_route=~"/predict|/bare.*",http_response_status_code=~"5.."})'
    )
    counted = (
        'sum(http_server_request_duration_seconds_count{http_route=~"/predict|/bare.*",http_response_status_code!~"4..|"})'
    )
    (exact,) = values(seen.scraped.query(f"{failed} / {counted}"))
    assert recorded == pytest.approx(exact, rel=0.3)
    assert recorded > 0.05
