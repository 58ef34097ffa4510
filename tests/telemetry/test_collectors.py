"""Real collectors beside a real guard: what they received is what the client counted."""

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from tests.answering import answering
from tests.servers import promtool
from tests.servers.prometheus import Prometheus, prometheus
from tests.servers.rotel import rotel
from tests.servers.sink import Collector, attributes
from tests.sidecar import Sidecar, sidecar

POLICY = """version: guard/v1
service: credit-risk
upstream: http://127.0.0.1:PORT
release: {model: risk, version: "3.1", commit: 4f2a9c1}
drain: 100ms
routes:
  POST /predict:
    rows: /instances
    input:
      age: {type: integer, min: 18, max: 120}
      tenure: {type: integer, default: 0}
      note: {type: string, required: false, detect: [email]}
    output:
      label: {enum: [approve, decline]}
      score: {type: number, min: 0, max: 1}
    fallback: {label: decline, score: 0}
    breaker: {minimum_calls: 1000000, consecutive_failures: 1000000}
  GET /health: passthrough
targets: {cost: {per_request: 0.5 EUR, daily: 100000 EUR}}
"""
REQUESTS = 10_000
CLIENTS = 8


def predict(head: bytes, body: bytes) -> tuple[int, bytes]:
    """A model whose mood is the first row's age."""
    if head.startswith(b"GET"):
        return 200, b"{}"
    ages = [row["age"] for row in json.loads(body)["instances"]]
    if ages[0] == 99:
        return 500, b"{}"
    label = "maybe" if ages[0] == 98 else "approve" if ages[0] < 60 else "decline"
    score = 1.5 if ages[0] == 97 else ages[0] / 128
    return 200, json.dumps({"predictions": [{"label": label, "score": score} for _ in ages]}).encode()


class Load(NamedTuple):
    """What a client sent, and the answers it counted."""

    answers: Counter[tuple[str, str, str]]  # status, source, reason
    sent: Counter[str]


def drive(port: int, seed: int, count: int) -> Load:
    """So many requests of every kind, over one connection."""
    chance, client = random.Random(seed), http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    answers: Counter[tuple[str, str, str]] = Counter()
    sent: Counter[str] = Counter()
    for _ in range(count):
        method, path, body = "POST", "/predict", None
        match chance.choices(("good", "batch", "denied", "unknown", "fault", "label", "score", "health", "mail"), (60, 5, 8, 3, 5, 5, 4, 5, 5))[0]:  # fmt: skip
            case "good":
                body = [{"age": chance.choice((18, 30, 64, 120))}]
            case "batch":
                body = [{"age": 40, "tenure": row} for row in range(chance.randint(2, 30))]
            case "denied":
                body = [{"age": 3}, {"age": "x", "tenure": 1}]
            case "unknown":
                path = f"/nothing/{chance.random()}"
            case "fault":
                body = [{"age": 99, "tenure": 1}]
            case "label":
                body = [{"age": 98, "tenure": 1}]
            case "score":
                body = [{"age": 97, "tenure": 1}]
            case "mail":
                body = [{"age": 50, "tenure": 1, "note": "write to bob@example.org or eve@example.org"}]
            case "health":
                method, path = "GET", "/health"
        for row in body or ():
            sent["at_min"] += row["age"] == 18
            sent["at_max"] += row["age"] == 120
        if body is not None and body[0]["age"] != 3:
            sent["rows"] += len(body)
            sent["defaulted"] += sum("tenure" not in row for row in body)
            sent["emails"] += 2 * ("note" in body[0])
        client.request(
            method, path, json.dumps({"instances": body}) if body else None, {"Content-Type": "application/json"}
        )
        answer = client.getresponse()
        text = json.loads(answer.read())
        source = answer.getheader("x-guard-source") or "none"
        answers[str(answer.status), source, answer.getheader("x-guard-reason") or text.get("code", "")] += 1
        if path == "/predict" and source in ("model", "rules"):
            for prediction in text["predictions"]:
                sent[f"{source} {prediction['label']}"] += 1
    client.close()
    return Load(answers, sent)


class Seen(NamedTuple):
    """Both collectors after the load, and what the client counted."""

    load: Load
    otlp: Collector
    scraped: Prometheus
    page: str


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("collectors")
    with ExitStack() as stack:
        port = stack.enter_context(answering(predict))
        collector = stack.enter_context(rotel())
        (folder / "policy.yaml").write_text(POLICY.replace("PORT", str(port)))
        environ = {
            **os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "OTEL_BSP_SCHEDULE_DELAY": "100", "GUARD_ENVIRONMENT": "test",
        }  # fmt: skip
        guard: Sidecar = stack.enter_context(sidecar("policy.yaml", folder=folder, environ=environ))
        guard.wait_for("exporting")
        scraper = stack.enter_context(prometheus([f"127.0.0.1:{guard.ops}"]))
        loads: list[Load] = []
        threads = [
            threading.Thread(target=lambda seed=seed: loads.append(drive(guard.port, seed, REQUESTS // CLIENTS)))  # type: ignore[misc]
            for seed in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(loads) == CLIENTS
        load = Load(sum((load.answers for load in loads), Counter()), sum((load.sent for load in loads), Counter()))
        assert load.answers.total() == REQUESTS
        scraper.scraped(1)
        scraper.scraped(int(scraper.query("count_over_time(up[1h])")[0]["value"][1]) + 2)
        scraper.now = time.time()  # what it says later is of guard as it ran: an end marks all series stale
        page = guard.probe("/metrics")[1]
        guard.process.send_signal(signal.SIGTERM)
        assert guard.ended() == 0
        yield Seen(load, collector, scraper, page)


def pushed(seen: Seen, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
    """The last OTLP point of each series."""
    return {tuple(sorted(labels.items())): point for labels, point in seen.otlp.points(name)}


def pushed_sum(seen: Seen, name: str, **wanted: Any) -> float:
    """The sum of an OTLP counter over the series with these attributes."""
    by_name = {key.replace("__", "."): value for key, value in wanted.items()}
    points = pushed(seen, name)
    return sum(
        point.as_double + point.as_int for labels, point in points.items() if by_name.items() <= dict(labels).items()
    )


def scraped_sum(seen: Seen, expr: str) -> float:
    found = seen.scraped.query(expr)
    return float(found[0]["value"][1]) if found else 0.0


def test_every_answer_is_counted_once_and_as_what_it_was(seen: Seen) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for (_, source, reason), count in seen.load.answers.items():
        counts[source, reason] += count
    assert len(counts) >= 5
    for (source, reason), count in counts.items():
        wanted = {"guard__source": source, **({"guard__reason": reason} if reason else {})}
        if reason:
            assert pushed_sum(seen, "guard.requests", **wanted) == count
        selector = f'guard_requests_total{{guard_source="{source}",guard_reason="{reason}"}}'
        assert scraped_sum(seen, f"sum({selector})") == count
    assert pushed_sum(seen, "guard.requests") == REQUESTS
    assert scraped_sum(seen, "sum(guard_requests_total)") == REQUESTS


def test_durations_count_every_status(seen: Seen) -> None:
    counts: Counter[str] = Counter()
    for (status, _, _), count in seen.load.answers.items():
        counts[status] += count
    points = pushed(seen, "http.server.request.duration")
    for status, count in counts.items():
        of_it = [point for labels, point in points.items() if dict(labels)["http.response.status_code"] == int(status)]
        assert sum(point.count for point in of_it) == count
        assert sum(sum(point.bucket_counts) for point in of_it) == count
        expr = f'sum(http_server_request_duration_seconds_count{{http_response_status_code="{status}"}})'
        assert scraped_sum(seen, expr) == count
    buckets = scraped_sum(seen, 'sum(http_server_request_duration_seconds_bucket{le="+Inf"})')
    assert buckets == REQUESTS


def test_predictions_are_counted_row_by_row_and_fallbacks_apart(seen: Seen) -> None:
    for label in ("approve", "decline"):
        # the answers with a score out of range have a label too: the model said it, though nobody was given it
        unserved = seen.load.answers["200", "rules", "invalid"]
        for source in ("model", "rules"):
            wanted = {"guard__output": "label", "guard__class": label, "guard__source": source}
            scraped = scraped_sum(seen, f'sum(guard_predictions_total{{guard_output="label",guard_class="{label}",guard_source="{source}"}})')  # fmt: skip
            assert scraped == pushed_sum(seen, "guard.predictions", **wanted)
            served = seen.load.sent[f"{source} {label}"]
            if (source, label) == ("model", "decline"):
                assert served <= scraped <= served + unserved
            else:
                assert scraped == served
    odd = pushed_sum(seen, "guard.predictions", guard__class="<unseen>", guard__source="model")
    far = pushed_sum(seen, "guard.predictions", guard__class="<out_of_range>", guard__source="model")
    assert odd + far == seen.load.answers["200", "rules", "invalid"]
    assert min(odd, far) > 100
    assert pushed_sum(seen, "guard.predictions", guard__output="score") == pushed_sum(
        seen, "guard.predictions", guard__output="label"
    )


def test_inputs_are_counted(seen: Seen) -> None:
    sent = seen.load.sent
    assert pushed_sum(seen, "guard.instances") == sent["rows"]
    for state in ("defaulted", "at_min", "at_max"):
        assert pushed_sum(seen, "guard.features", guard__state=state) == sent[state] > 0
        assert scraped_sum(seen, f'sum(guard_features_total{{guard_state="{state}"}})') == sent[state]
    denied = seen.load.answers["422", "none", "contract"]
    assert pushed_sum(seen, "guard.violations", guard__field="age", guard__code="min", guard__direction="input") == denied
    assert pushed_sum(seen, "guard.violations", guard__field="age", guard__code="type") == denied
    assert pushed_sum(seen, "guard.redactions", guard__detector="email") == sent["emails"] > 0


def test_calls_and_cost_agree(seen: Seen) -> None:
    reached = sum(count for (_, source, _), count in seen.load.answers.items() if source in ("model", "rules"))
    assert sum(point.count for point in pushed(seen, "http.client.request.duration").values()) == reached
    assert pushed_sum(seen, "guard.cost", guard__currency="EUR") == reached * 0.5
    assert scraped_sum(seen, "guard_cost_budget_share") == reached * 0.5 / 100_000


def test_the_resource_says_who_was_measured(seen: Seen) -> None:
    message = next(item.message for item in seen.otlp.received if item.path == "/v1/metrics")
    said = attributes(message.resource_metrics[0].resource.attributes)
    assert {key: said[key] for key in ("service.name", "service.version", "deployment.environment.name")} == {
        "service.name": "credit-risk",
        "service.version": "3.1",
        "deployment.environment.name": "test",
    }
    assert said["vcs.ref.head.revision"] == "4f2a9c1"
    (info,) = seen.scraped.query("target_info")
    assert info["metric"]["service_name"] == "credit-risk"


def test_spans_are_of_exchanges_that_were_sampled_or_went_wrong(seen: Seen) -> None:
    spans = seen.otlp.spans()
    servers = [span for span in spans if span.kind == 2]
    clients = [span for span in spans if span.kind == 3]
    assert {span.name for span in servers} <= {"POST /predict", "GET /health", "POST", "GET"}
    parents = {span.span_id for span in servers}
    assert clients
    assert all(span.parent_span_id in parents for span in clients)
    assert 20 <= len(servers) < REQUESTS / 10


def test_the_page_is_what_promtool_wants(seen: Seen) -> None:
    promtool.check_metrics(seen.page.encode())


def test_exemplars_lead_from_a_bucket_to_a_trace(seen: Seen) -> None:
    results = [
        exemplar
        for series in seen.scraped.exemplars("http_server_request_duration_seconds_bucket")
        for exemplar in series["exemplars"]
    ]
    traces = {span.trace_id.hex() for span in seen.otlp.spans()}
    assert results
    assert {item["labels"]["trace_id"] for item in results} <= traces
