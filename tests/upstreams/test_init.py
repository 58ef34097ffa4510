"""`guard init` and `guard serve` in front of servers, asked by their own clients, with no edit in between."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from tritonclient import http as triton

from tests.servers import install
from tests.servers.mlserver import FEATURES
from tests.servers.model_server import ModelServer
from tests.servers.process import found
from tests.sidecar import Sidecar, sidecar
from tests.upstreams.front import client_of
from tests.upstreams.test_own_clients import ran

Servers = Callable[[str], ModelServer]
Client = Callable[[Sidecar], None]

SPECIES = ["setosa", "virginica"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
FLOWERS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]


def init(server: ModelServer, folder: Path, *arguments: object) -> str:
    """The draft, which stands in `draft.yaml` then."""
    done = subprocess.run(
        [sys.executable, "-m", "guard", "init", "--upstream", server.url, *map(str, arguments), "-o", folder / "draft.yaml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return (folder / "draft.yaml").read_text()


@contextmanager
def guarded(folder: Path) -> Iterator[Sidecar]:
    with sidecar(str(folder / "draft.yaml"), folder=folder) as guard:
        yield guard


def violations(guard: Sidecar) -> list[str]:
    """What was counted; records are passed on within 20 ms, so the page is asked until the requests are on it."""
    with httpx2.Client(trust_env=False, timeout=30) as client:
        for _ in range(500):
            page = client.get(f"http://127.0.0.1:{guard.ops}/metrics").text
            if 'guard_source="model"' in page:
                break
    return [line for line in page.splitlines() if line.startswith("guard_violations_total{")]


def by_httpx(guard: Sidecar) -> None:
    """As a team asks its own FastAPI service."""
    with client_of(guard) as client:
        assert client.get("/health").json() == {"status": "ok"}
        assert "/predict" in client.get("/openapi.json").json()["paths"]
        assert [client.post("/predict", json=flower).json()["species"] for flower in FLOWERS] == SPECIES
        batch = client.post("/predict/batch", json={"instances": FLOWERS})
        assert batch.headers["x-guard-source"] == "model"
        assert [prediction["species"] for prediction in batch.json()["predictions"]] == SPECIES


def by_kserve(guard: Sidecar) -> None:
    said = ran(found(install.kserve), "kserve_client.py", f"http://127.0.0.1:{guard.port}")
    assert (said["ready"], said["live"]) == ([True, True], True)
    assert said["v1"] == {"predictions": SPECIES}
    assert said["v2"] == said["v2-binary"] == ["7", SPECIES]


def by_tritonclient(model: str, tensors: Sequence[tuple[str, Any]], output: str, *, binary: bool) -> Client:
    def ask(guard: Sidecar) -> None:
        client = triton.InferenceServerClient(f"127.0.0.1:{guard.port}")
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)  # noqa: PT018
        assert client.get_model_metadata(model)["name"] == model
        inputs = []
        for name, values in tensors:
            kind = "FP32" if values.dtype == np.float32 else "FP64"
            inputs.append(triton.InferInput(name, list(values.shape), kind))
            inputs[-1].set_data_from_numpy(values, binary_data=binary)
        result = client.infer(model, inputs, outputs=[triton.InferRequestedOutput(output, binary_data=binary)])
        answer = result.as_numpy(output)
        assert answer is not None
        assert [item.decode() if isinstance(item, bytes) else item for item in answer.ravel()] == SPECIES
        client.close()

    return ask


def by_openai(guard: Sidecar) -> None:
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{guard.port}/v1", api_key="none", max_retries=0)
    model = client.models.list().data[0].id
    message: Any = [{"role": "user", "content": "good morning"}]
    assert client.chat.completions.create(model=model, messages=message).choices[0].message.content == "good morning"
    stream = client.chat.completions.create(model=model, messages=message, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream).split() == ["good", "morning"]
    assert len(client.embeddings.create(model=model, input="good").data[0].embedding) == 3
    client.close()


def by_rows_and_columns(guard: Sidecar) -> None:
    """As documented for TensorFlow Serving."""
    with client_of(guard) as client:
        path = "/v1/models/iris:predict"
        assert client.post(path, json={"instances": FLOWERS}).json() == {"predictions": SPECIES}
        columns = {name: [flower[name] for flower in FLOWERS] for name in NAMES}
        assert client.post(path, json={"inputs": columns}).json() == {"outputs": SPECIES}
        assert client.get("/v1/models/iris").json()["model_version_status"][0]["state"] == "AVAILABLE"


def by_the_platform(guard: Sidecar) -> None:
    """As SageMaker calls its containers."""
    with client_of(guard) as client:
        assert client.get("/ping").status_code == 200
        lines = "".join(",".join(map(str, row)) + "\n" for row in ROWS)
        answer = client.post("/invocations", content=lines, headers={"content-type": "text/csv"})
        assert answer.text.split() == SPECIES
        answer = client.post("/invocations", json={"instances": [{"features": row} for row in ROWS]})
        assert [prediction["predicted_label"] for prediction in answer.json()["predictions"]] == SPECIES


COLUMNS = [(name, np.array(values)) for name, values in zip(FEATURES, zip(*ROWS, strict=True), strict=True)]
CASES: dict[str, tuple[tuple[str, ...], list[Client]]] = {
    "fastapi": ((), [by_httpx]),
    "mlserver": (
        (),
        [
            by_tritonclient("iris", COLUMNS, "predict", binary=False),
            by_tritonclient("plain", [("x", np.array(ROWS))], "predict", binary=False),
        ],
    ),
    "kserve": ((), [by_kserve]),
    "triton": (
        ("--model", "iris"),
        [by_tritonclient("iris", [("features", np.array(ROWS, np.float32))], "species", binary=True)],
    ),
    "tfserving": (("--model", "iris"), [by_rows_and_columns]),
    "openai": ((), [by_openai]),
    "sagemaker": ((), [by_the_platform]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_draft_serves_the_servers_own_client_as_it_is_and_finds_nothing_wrong(
    name: str, servers: Servers, tmp_path: Path
) -> None:
    arguments, clients = CASES[name]
    text = init(servers(name), tmp_path, *arguments)
    # As it is; and what was declared is true: the same client is answered when it is enforced.
    for policy in (text, text.replace("enforcement: observe", "enforcement: enforce")):
        (tmp_path / "draft.yaml").write_text(policy)
        with guarded(tmp_path) as guard:
            for client in clients:
                client(guard)
            assert violations(guard) == []


def test_mlflow_with_the_signature_of_its_file(servers: Servers, tmp_path: Path) -> None:
    server = servers("mlflow")
    init(server, tmp_path, "--mlmodel", server.folder / "model")
    with guarded(tmp_path) as guard:
        said = ran(found(install.mlflow), "mlflow_client.py", "127.0.0.1", str(guard.port))
        counted = violations(guard)
    assert said["version"].startswith("3.")
    assert said["frame"] == said["more"] == said["params"] == SPECIES
    assert said["many"] == SPECIES * 1000
    # It sends what is wrong, too: a missing value, text for a number, three columns, a matrix without names.
    assert {line.partition('guard_code="')[2].partition('"')[0] for line in counted} == {"null", "type", "missing", "shape"}


def test_what_breaks_the_contract_is_counted_and_the_client_hears_the_server(servers: Servers, tmp_path: Path) -> None:
    init(servers("fastapi"), tmp_path)
    with guarded(tmp_path) as guard, client_of(guard) as client:
        answer = client.post("/predict", json={**FLOWERS[0], "petal_width": 101.0})
        assert answer.status_code == 422
        assert answer.json()["code"] == "upstream_refused"  # FastAPI's, in words that repeat nothing of what was sent
        client.post("/predict", json=FLOWERS[0])
        assert any('guard_field="petal_width"' in line and 'guard_code="max"' in line for line in violations(guard))


def test_management_routes_of_a_real_server_are_not_there(servers: Servers, tmp_path: Path) -> None:
    assert "repository" not in init(servers("mlserver"), tmp_path)
    with guarded(tmp_path) as guard, client_of(guard) as client:
        assert client.post("/v2/repository/models/iris/unload").status_code == 404
        assert client.post("/v2/repository/index", json={}).status_code == 404
        assert client.get("/v2/models/iris/ready").status_code == 200
