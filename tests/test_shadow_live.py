"""A real guard and two model servers: copies go to the candidate after the reply, and what their pairs prove decides."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import until
from tests.sidecar import Sidecar, sidecar
from tests.test_candidate_live import order
from tests.test_operators import Api, serving
from tests.test_serve import Model
from tests.threaded import threaded

POLICY = """version: guard/v1
service: t
upstream: UPSTREAM
drain: 0s
release: {version: '1'}
targets: {cost: {per_request: 1 EUR}}
candidate:
  release: {version: '2'}
  url: CANDIDATE
  shadow: {share: 100%, side_effects: none, rate: 10000/s, concurrency: 64, load_below: 100%, daily: 'DAILY EUR'}
  compare:
    POST /predict: {failed: 50%, invalid: 50%, label: {field: label, disagree: 50%}}
routes:
  POST /predict:
    input: {age: {type: integer}}
    output: {label: {enum: [a, b], sensitivity: secret}}
"""

NEW = count(10_000)

model = pytest.fixture(serving, name="model")


@pytest.fixture
def candidate() -> Iterator[Model]:
    server = Model()
    server.answer = (200, b'{"label":"b"}')  # as the model
    with threaded(server):
        yield server


@contextmanager
def running(folder: Path, model: Model, candidate: Model, daily: int = 100_000) -> Iterator[tuple[Sidecar, Api]]:
    text = POLICY.replace("UPSTREAM", f"http://127.0.0.1:{model.server_address[1]}").replace("DAILY", str(daily))
    (folder / "policy.yaml").write_text(text.replace("CANDIDATE", f"http://127.0.0.1:{candidate.server_address[1]}"))
    with sidecar("policy.yaml", folder=folder) as guard:
        guard.wait_for("admin")
        yield guard, Api(guard, folder)


def ask(guard: Sidecar, age: int) -> None:
    client = guard.connect()
    client.request("POST", "/predict", json.dumps({"age": age}), {"content-type": "application/json"})
    answer = client.getresponse()
    assert (answer.status, answer.headers["x-guard-source"], json.loads(answer.read())) == (200, "model", {"label": "b"})
    client.close()


def verdict(api: Api) -> Any:
    return api("GET", "/release/verdict")[2]


def ask_until(guard: Sidecar, api: Api, wanted: str, first: int = 0) -> int:
    """Ask different things until the verdict is that one."""
    for age in range(first, first + 600):
        ask(guard, age)
        if age % 10 == 9 and verdict(api)["verdict"] == wanted:
            return age
    raise AssertionError(verdict(api))


def test_a_passed_shadow_suffices_for_promotion(tmp_path: Path, model: Model, candidate: Model) -> None:
    with running(tmp_path, model, candidate) as (guard, api):
        ask(guard, -1)
        assert candidate.received == []  # nothing before it is ordered
        assert order(api, "promote")[1]["code"] == "gates"
        assert order(api, "shadow")[1]["stage"] == "shadow"
        until(lambda: wants_copies(guard, api), lambda: "no copy")
        status, refused = order(api, "promote")
        assert status == 409
        assert {gate["metric"] for gate in refused["gates"]} == {"failed", "invalid", "label"}
        assert all({"number", "needed", "worse", "same", "better"} <= gate.keys() for gate in refused["gates"])
        reached = ask_until(guard, api, "pass", 1000)
        counted = verdict(api)["pairs"]["compared"]
        guard.process.send_signal(signal.SIGTERM)
        guard.process.wait(20)
    with running(tmp_path, model, candidate) as (guard, api):  # it goes on after a restart
        assert api("GET", "/release")[2]["stage"] == "shadow"
        assert verdict(api)["pairs"]["compared"] >= counted
        assert verdict(api)["verdict"] == "pass"
        ask(guard, reached)
        assert order(api, "promote")[1]["roles"]["model"]["version"] == "2"


def wants_copies(guard: Sidecar, api: Api) -> bool:
    """Ask something new; whether a copy of anything has been compared."""
    ask(guard, next(NEW))
    return bool(verdict(api)["pairs"]["compared"])


@pytest.mark.parametrize(
    ("bad", "metric"), [((200, b'{"label":"a"}'), "label"), ((200, b'{"label":"z"}'), "invalid"), ((503, b"{}"), "failed")]
)
def test_harm_that_pairs_prove_aborts(
    tmp_path: Path, model: Model, candidate: Model, bad: tuple[int, bytes], metric: str
) -> None:
    candidate.answer = bad
    with running(tmp_path, model, candidate) as (guard, api):
        order(api, "shadow")
        ask_until(guard, api, "fail", 1000)
        aborted = guard.wait_for("candidate_aborted")
        assert aborted["who"] == "guard"
        assert f"POST /predict {metric}: " in aborted["why"]
        asked = len(candidate.received)
        ask(guard, 5)
        assert len(candidate.received) == asked
        assert order(api, "shadow")[1]["code"] == "aborted"


def test_a_document_counts_once(tmp_path: Path, model: Model, candidate: Model) -> None:
    with running(tmp_path, model, candidate) as (guard, api):
        order(api, "shadow")
        until(lambda: wants_copies(guard, api), lambda: "no copy")
        before = verdict(api)["pairs"]["chosen"]
        for _ in range(20):
            ask(guard, 5)
        assert verdict(api)["pairs"]["chosen"] == before + 1
        assert verdict(api)["passed_over"]["seen"] >= 19


def test_the_money_of_a_day_is_the_most(tmp_path: Path, model: Model, candidate: Model) -> None:
    with running(tmp_path, model, candidate, daily=3) as (guard, api):
        order(api, "shadow")
        until(lambda: _spent(guard, api), lambda: "money is left")
        assert len(candidate.received) <= 3


def _spent(guard: Sidecar, api: Api) -> bool:
    wants_copies(guard, api)
    found = verdict(api)
    return bool(found["pairs"]["compared"] == 3 and found["passed_over"].get("money"))


def test_the_model_against_itself_gives_the_floor(tmp_path: Path, model: Model, candidate: Model) -> None:
    with running(tmp_path, model, candidate) as (guard, api):
        assert order(api, "shadow", noise=True)[1]["stage"] == "aa"
        until(lambda: wants_copies(guard, api), lambda: "no copy")
        floor = next(gate["floor"] for gate in verdict(api)["gates"] if gate["metric"] == "label")
        assert 0 < floor <= 1
        assert candidate.received == []
