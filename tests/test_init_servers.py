"""`guard init` and `guard serve` before real servers, asked by their real clients, with no edit in between."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.servers import install
from tests.servers.fastapi import fastapi
from tests.servers.kserve import kserve
from tests.servers.mlflow import mlflow
from tests.servers.mlserver import FEATURES, mlserver
from tests.servers.model_server import INSIDE, ModelServer
from tests.servers.process import found
from tests.sidecar import Sidecar

ANSWER = ["setosa", "virginica"]
FLOWERS = [
    {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2},
    {"sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5},
]

Start = Callable[[], AbstractContextManager[ModelServer]]
Client = Callable[[Sidecar], Any]


def run(find: Any, script: str, *arguments: object) -> Any:
    """A client, in the environment of its own library."""
    program = found(find)
    command = [program.path, str(INSIDE / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=dict(program.environ))
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def by_kserve(how: str, model: str, *tensors: str) -> Client:
    return lambda guard: run(install.kserve, "ask_kserve.py", f"http://127.0.0.1:{guard.port}", how, model, *tensors)


def by_mlflow(guard: Sidecar) -> Any:
    said = run(install.mlflow, "ask_mlflow.py", "127.0.0.1", guard.port)
    assert said["version"].count(".") == 2
    return said["answer"]


def by_httpx(guard: Sidecar) -> Any:
    with httpx2.Client(base_url=f"http://127.0.0.1:{guard.port}", trust_env=False, timeout=30) as client:
        assert client.get("/health").json() == {"status": "ok"}
        assert "/predict" in client.get("/openapi.json").json()["paths"]
        singles = [client.post("/predict", json=flower).json()["species"] for flower in FLOWERS]
        batch = client.post("/predict/batch", json={"instances": FLOWERS})
        assert batch.headers["x-guard-source"] == "model"
        assert singles == [one["species"] for one in batch.json()["predictions"]]
        return singles


def init(server: ModelServer, folder: Path, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "guard", "init", "--upstream", server.url, *map(str, arguments), "-o", folder / "draft.yaml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return (folder / "draft.yaml").read_text()


@contextmanager
def guarded(policy: Path) -> Iterator[Sidecar]:
    guard = Sidecar([str(policy)], policy.parent)
    try:
        guard.wait_for("ready")
        yield guard
    finally:
        guard.process.terminate()
        guard.ended()


def violations(guard: Sidecar) -> list[str]:
    """What was counted; records are passed on within 20 ms, so the page is asked until the requests are on it."""
    with httpx2.Client(trust_env=False, timeout=30) as client:
        for _ in range(500):
            page = client.get(f"http://127.0.0.1:{guard.ops}/metrics").text
            if 'guard_source="model"' in page:
                break
    return [line for line in page.splitlines() if line.startswith("guard_violations_total{")]


def arguments_of(server: ModelServer) -> list[object]:
    return ["--mlmodel", server.folder / "model"] if (server.folder / "model" / "MLmodel").exists() else []


SERVERS: list[tuple[Start, list[Client]]] = [
    (fastapi, [by_httpx]),
    (mlflow, [by_mlflow]),
    (mlserver, [by_kserve("v2-infer", "iris", *FEATURES), by_kserve("v2-infer", "plain")]),
    (kserve, [by_kserve("v1", "iris"), by_kserve("v2", "iris")]),
]


@pytest.mark.parametrize(("start", "clients"), SERVERS, ids=["fastapi", "mlflow", "mlserver", "kserve"])
def test_a_draft_serves_the_servers_own_client_as_it_is_and_finds_nothing_wrong(
    start: Start, clients: list[Client], tmp_path: Path
) -> None:
    with start() as server:
        text = init(server, tmp_path, *arguments_of(server))
        with guarded(tmp_path / "draft.yaml") as guard:
            assert [client(guard) for client in clients] == [ANSWER] * len(clients)
            assert violations(guard) == []
        # What was declared is true: the same client is answered when it is enforced.
        (tmp_path / "draft.yaml").write_text(text.replace("enforcement: observe", "enforcement: enforce"))
        with guarded(tmp_path / "draft.yaml") as guard:
            assert [client(guard) for client in clients] == [ANSWER] * len(clients)
            assert violations(guard) == []


def test_a_draft_counts_what_breaks_the_contract_and_the_client_hears_the_server(tmp_path: Path) -> None:
    with fastapi() as server:
        init(server, tmp_path)
        with guarded(tmp_path / "draft.yaml") as guard, httpx2.Client(trust_env=False, timeout=30) as client:
            wrong = {**FLOWERS[0], "petal_width": 101.0}
            answer = client.post(f"http://127.0.0.1:{guard.port}/predict", json=wrong)
            assert answer.status_code == 422  # of FastAPI, in guard's words: it never repeats what a client sent
            client.post(f"http://127.0.0.1:{guard.port}/predict", json=FLOWERS[0])
            assert any('guard_field="petal_width"' in line and 'guard_code="max"' in line for line in violations(guard))


def test_management_routes_of_a_real_server_are_not_there(tmp_path: Path) -> None:
    with mlserver() as server:
        assert "repository" not in init(server, tmp_path)
        with guarded(tmp_path / "draft.yaml") as guard, httpx2.Client(trust_env=False, timeout=30) as client:
            base = f"http://127.0.0.1:{guard.port}"
            assert client.post(f"{base}/v2/repository/models/iris/unload").status_code == 404
            assert client.post(f"{base}/v2/repository/index", json={}).status_code == 404
            assert client.get(f"{base}/v2/models/iris/ready").status_code == 200
