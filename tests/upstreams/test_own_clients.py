"""MLflow's and KServe's own clients, unmodified, each in its own environment, through guard before their servers."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

from tests.servers import install
from tests.servers.install import Program
from tests.servers.model_server import INSIDE, ModelServer
from tests.servers.process import found
from tests.upstreams.families import FAMILIES
from tests.upstreams.front import fronted

BREAKER = "{minimum_calls: 1000, consecutive_failures: 1000}"
SPECIES = ["setosa", "virginica"]
MATRIX = """
dialect: kserve-v1
columns: [sepal_length, sepal_width, petal_length, petal_width]
input:
  sepal_length: {type: number, min: 0, max: 100}
  sepal_width: {type: number, min: 0, max: 100}
  petal_length: {type: number, min: 0, max: 100}
  petal_width: {type: number, min: 0, max: 100}
output:
  species: {enum: [setosa, versicolor, virginica]}
fallback: {species: versicolor}
"""


def ran(program: Program, script: str, *arguments: str) -> Any:
    """What a client printed."""
    run = subprocess.run(
        [program.path, str(INSIDE / script), *arguments], capture_output=True, text=True, check=False, timeout=120,
        env={"HOME": "/nonexistent", **program.environ},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_mlflows_scoring_client(servers: Callable[[str], ModelServer]) -> None:
    family = FAMILIES["mlflow-split"]
    routes = {f"POST {family.path}": family.route, "GET /ping": "", "GET /version": ""}
    with fronted(servers("mlflow"), routes, breaker=BREAKER) as guard:
        said = ran(found(install.mlflow), "mlflow_client.py", "127.0.0.1", str(guard.port))
    assert said["version"].startswith("3.")
    assert said["frame"] == said["more"] == said["params"] == SPECIES
    assert said["many"] == SPECIES * 1000
    assert said["fault"] == ["versicolor"]
    wrong = {"below": "/dataframe_split/data/0/0 min", "missing": "/dataframe_split/data/0/0 null",
             "text": "/dataframe_split/data/0/0 type", "short": "missing", "array": "/inputs/0 shape"}  # fmt: skip
    for name, place in wrong.items():
        error = said[name]
        assert (error["status"], error["error_code"]) == (422, "BAD_REQUEST"), name
        assert error["message"].startswith("BAD_REQUEST: guard: The request breaks the contract (")
        assert place in error["message"]
        assert "wide" not in error["body"]


def test_kserves_client(servers: Callable[[str], ModelServer]) -> None:
    second = FAMILIES["kserve-v2"]
    routes = {
        "POST /v1/models/iris:predict": MATRIX,
        f"POST {second.path}": second.route,
        "GET /v1/models/iris": "",
        "GET /v2/*": "",
    }
    with fronted(servers("kserve"), routes, breaker=BREAKER) as guard:
        said = ran(found(install.kserve), "kserve_client.py", f"http://127.0.0.1:{guard.port}")
    assert said["ready"] == [True, True]
    assert said["live"] is True
    assert said["v1"] == {"predictions": SPECIES}
    assert said["v2"] == said["v2-binary"] == ["7", SPECIES]
    assert said["v1-fault"] == {"predictions": ["versicolor"]}
    assert said["v2-fault"] == said["v2-fault-binary"] == ["7", ["versicolor"]]
    for name, place in (("v1-below", "/instances/0/0 min"), ("v2-below", "/inputs/0/data/0 min")):
        assert said[name]["status"] == 422
        error = json.loads(said[name]["body"])
        assert error["error"] == f"guard: The request breaks the contract ({place})"
        assert error["error"] in said[name]["message"]  # as the client prints it
