"""A real guard and two model servers: a bad candidate is seen by no client and aborted, a good one is promoted and rolled back."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from guard.control.release_history import ReleaseHistory
from tests.sidecar import Sidecar, sidecar
from tests.test_operators import Api, serving
from tests.test_serve import Model
from tests.threaded import threaded

POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 0s
release: {version: '1'}
candidate:
  release: {version: 'NEXT'}
  url: CANDIDATE
  key: header:x-customer
  canary: {steps: [30%, 60%], step: {at_least: 0s, requests: 5}}
routes:
  POST /predict:
    input: {age: {type: integer}}
    output: {label: {enum: [a, b]}}
    breaker: {consecutive_failures: 1000, minimum_calls: 1000}
"""


model = pytest.fixture(serving, name="model")


@pytest.fixture
def candidate() -> Iterator[Model]:
    server = Model()
    server.answer = (200, b'{"label":"a"}')
    with threaded(server):
        yield server


@contextmanager
def running(folder: Path, model: Model, candidate: Model, version: str = "2") -> Iterator[tuple[Sidecar, Api]]:
    text = POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}").replace("NEXT", version)
    (folder / "policy.yaml").write_text(text.replace("CANDIDATE", f"http://127.0.0.1:{candidate.server_address[1]}"))
    with sidecar("policy.yaml", folder=folder) as guard:
        guard.wait_for("admin")
        yield guard, Api(guard, folder)


def ask(guard: Sidecar, customer: int) -> tuple[int, str, str, Any]:
    client = guard.connect()
    headers = {"content-type": "application/json", "x-customer": str(customer)}
    client.request("POST", "/predict", b'{"age":3}', headers)
    answer = client.getresponse()
    body = json.loads(answer.read())
    client.close()
    return answer.status, answer.headers["x-guard-source"], answer.headers["x-guard-model-version"] or "", body


def order(api: Api, kind: str, **wanted: Any) -> tuple[int, Any]:
    status, _, document = api("POST", f"/release/{kind}", {"reason": "test", **wanted})
    return status, document


@pytest.mark.parametrize("bad", [(200, b'{"label":"z"}'), (503, b"{}"), (400, b"{}")])
def test_a_bad_candidate_is_seen_by_nobody_and_aborted(
    tmp_path: Path,
    model: Model,
    candidate: Model,
    bad: tuple[int, bytes],
) -> None:
    candidate.answer = bad
    with running(tmp_path, model, candidate) as (guard, api):
        assert order(api, "canary")[1]["step"] == {"index": 1, "share": 0.3}
        for customer in range(200):
            assert ask(guard, customer)[:2] == (200, "model")
        aborted = guard.wait_for("candidate_aborted")
        assert (aborted["candidate"], aborted["who"]) == ("2", "guard")
        document = api("GET", "/release")[2]
        assert (document["stage"], document["verdict"]["verdict"]) == ("aborted", "fail")
        asked = len(candidate.received)
        assert asked < 60
        ask(guard, 0)
        assert len(candidate.received) == asked
        status, refused = order(api, "canary")
        assert (status, refused["code"]) == (409, "aborted")
        assert order(api, "promote", override="x")[1]["code"] == "aborted"
    with running(tmp_path, model, candidate) as (guard, api):  # it is latched over a restart
        assert order(api, "canary")[1]["code"] == "aborted"
        assert order(api, "canary", again="mended")[0] == 200
    with running(tmp_path, model, candidate, version="3") as (guard, api):  # and only its digest is
        assert order(api, "canary")[0] == 200


def test_a_good_candidate_answers_its_share_and_is_promoted_and_rolled_back(
    tmp_path: Path,
    model: Model,
    candidate: Model,
) -> None:
    with running(tmp_path, model, candidate) as (guard, api):
        assert order(api, "rollback")[1]["code"] == "previous"
        assert order(api, "canary", step=2)[1]["code"] == "step"
        order(api, "canary")
        first = {customer for customer in range(100) if ask(guard, customer)[1] == "candidate"}
        assert 10 < len(first) < 55
        assert order(api, "canary")[1]["step"]["index"] == 2
        second = {customer for customer in range(100) if ask(guard, customer)[1] == "candidate"}
        assert second > first
        assert order(api, "canary")[1]["code"] == "step"
        assert order(api, "promote")[1]["code"] == "gates"
        assert api("GET", "/release/verdict")[2]["verdict"] == "inconclusive"
        status, document = order(api, "promote", override="looked at")
        assert (status, document["roles"]["model"]["version"], document["roles"]["previous"]["version"]) == (200, "2", "1")
        assert ask(guard, 1)[1:] == ("model", "2", {"label": "a"})
        os.kill(guard.process.pid, signal.SIGKILL)
        guard.process.wait(20)
    with running(tmp_path, model, candidate) as (guard, api):
        assert guard.wait_for("release_recalled")["model"] == "2"
        assert ask(guard, 1)[1:3] == ("model", "2")
        assert api("GET", "/release")[2]["drift"]["force"]["version"] == "2"
        assert order(api, "rollback")[0] == 200
        assert ask(guard, 1)[1:] == ("model", "1", {"label": "b"})
        assert api("GET", "/release")[2]["drift"] is None
        lines = ReleaseHistory(tmp_path / "state" / "private").newest(10)
        assert [line["what"] for line in lines] == ["rollback", "promote", "canary", "canary"]
        assert all(line["intact"] for line in lines)


def test_a_refused_order_keeps_the_evidence_and_a_restart_does(tmp_path: Path, model: Model, candidate: Model) -> None:
    with running(tmp_path, model, candidate) as (guard, api):
        order(api, "canary")
        for customer in range(20):
            ask(guard, customer)
        number = _requests(api)
        assert number > 0
        assert order(api, "canary", step=9)[0] == 409
        assert order(api, "canary", step=1, again="once more")[0] == 200
        assert _requests(api) == number
        seen = _seen(tmp_path, api, guard)
    with running(tmp_path, model, candidate) as (guard, api):
        assert api("GET", "/release")[2]["stage"] == "canary"
        assert _seen(tmp_path, api, guard) == seen


def _requests(api: Api) -> int:
    gates = api("GET", "/release/verdict")[2]["gates"]
    return next(gate["number"] for gate in gates if gate["metric"] == "requests")


def _seen(folder: Path, api: Api, guard: Sidecar) -> object:
    guard.process.send_signal(signal.SIGTERM)
    guard.process.wait(20)
    return json.loads((folder / "state" / "private" / "release-evidence.json").read_text())["arms"]
