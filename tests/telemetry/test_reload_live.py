"""A real guard whose route leaves and returns with other bounds: the page is read after each step."""

import json
import signal
from pathlib import Path
from typing import Any

from tests.answering import answering
from tests.sidecar import Sidecar, sidecar
from tests.telemetry import exposition

POLICY = """version: guard/v1
service: t
upstream: http://127.0.0.1:PORT
drain: 0s
routes:
  POST /ROUTE:
    input: {age: {type: integer}}
    output: {score: {type: number, min: 0, max: MOST}}
    fallback: {score: 0}
"""


def predict(_head: bytes, body: bytes) -> tuple[int, bytes]:
    return 200, json.dumps({"score": json.loads(body)["age"]}).encode()


def ask(guard: Sidecar, route: str, age: int) -> None:
    client = guard.connect()
    client.request("POST", f"/{route}", json.dumps({"age": age}), {"content-type": "application/json"})
    answer = client.getresponse()
    answer.read()
    assert answer.getheader("x-guard-source") == "model"
    client.close()


def page(guard: Sidecar) -> dict[str, Any]:
    status, text = guard.probe("/metrics")
    assert status == 200
    return exposition.parse(text.encode())


def test_a_page_tells_the_truth_over_reloads(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    with answering(predict) as port:
        text = POLICY.replace("PORT", str(port))
        path.write_text(text.replace("ROUTE", "a").replace("MOST", "8"))
        with sidecar("policy.yaml", folder=tmp_path) as guard:
            guard.wait_for("ready")
            for _ in range(5):
                ask(guard, "a", 0)
            assert "guard_prediction_value" in page(guard)
            for number, (route, most) in enumerate((("b", "8"), ("a", "100")), 1):
                path.write_text(text.replace("ROUTE", route).replace("MOST", most))
                guard.process.send_signal(signal.SIGHUP)
                guard.wait_for("policy", number)
            ask(guard, "a", 40)
            ((_, pairs),) = exposition.buckets(page(guard)["guard_prediction_value"]).items()
            assert [bound for bound, _ in pairs] == [*(5.0 * step for step in range(21)), float("inf")]
            assert {bound for bound, count in pairs if count} == {bound for bound, _ in pairs if bound >= 40.0}
