"""The model servers themselves, asked with the standard library: they are what later tests take them for."""

import json
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.servers.fastapi import fastapi
from tests.servers.kserve import kserve
from tests.servers.mlflow import mlflow
from tests.servers.mlserver import FEATURES, mlserver
from tests.servers.model_server import ModelServer

SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]
ROWS = [SETOSA, VIRGINICA]
MATRIX = {"inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP64", "data": ROWS}]}
FLOWERS = [dict(zip(("sepal_length", "sepal_width", "petal_length", "petal_width"), row, strict=True)) for row in ROWS]


def post(url: str, document: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    ("start", "path", "document", "read"),
    [
        (mlserver, "/v2/models/plain/infer", MATRIX, lambda said: said["outputs"][0]["data"]),
        (
            mlflow,
            "/invocations",
            {"dataframe_split": {"columns": FEATURES, "data": ROWS}},
            lambda said: said["predictions"],
        ),
        (kserve, "/v1/models/iris:predict", {"instances": ROWS}, lambda said: said["predictions"]),
        (kserve, "/v2/models/iris/infer", MATRIX, lambda said: said["outputs"][0]["data"]),
        (fastapi, "/predict/batch", {"instances": FLOWERS}, lambda said: [one["species"] for one in said["predictions"]]),
    ],
    ids=["mlserver", "mlflow", "kserve-v1", "kserve-v2", "fastapi"],
)
def test_a_real_server_knows_its_flowers_is_killed_and_comes_back(
    start: Callable[[], AbstractContextManager[ModelServer]], path: str, document: Any, read: Callable[[Any], Any]
) -> None:
    with start() as server:
        assert read(post(f"{server.url}{path}", document)) == ["setosa", "virginica"]
        server.kill()
        assert not server.is_ready
        server.start()
        assert read(post(f"{server.url}{path}", document)) == ["setosa", "virginica"]
