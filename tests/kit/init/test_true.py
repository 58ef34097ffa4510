"""What a draft declares is true: what a server's own documents allow is neither denied nor counted, enforced or not."""

import json
from pathlib import Path
from typing import Any

import pytest

from guard.kit.init.draft import Wanted
from guard.policy.compiled import CompiledPlan
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.proxy.context import Context
from guard.proxy.judge import judge
from guard.proxy.values import Allow, Head
from tests.kit.init.fake import drafted, recorded, said

JSON = [(b"content-type", b"application/json")]


def plan(text: str) -> CompiledPlan:
    raw = text.replace("enforcement: observe", "enforcement: enforce").encode()
    return compile_plan(load(Path("draft"), environ={}, read=lambda _: raw), CompileContext())


def exchange(text: str, target: bytes, request: Any, answer: Any) -> None:
    """Raises Refused where the request breaks the contract; asserts that the answer keeps it."""
    head = Head(b"POST", target, JSON)
    route = plan(text).match(head)
    context = Context(head, "r", 0.0)
    permit = judge(context, route, json.dumps(request).encode(), 0.0, 1_800_000_000.0)
    assert not context.record.violations
    if route.output is not None:
        verdict = route.output.judge(json.dumps(answer).encode(), permit.rows, JSON)
        assert isinstance(verdict, Allow), verdict


def tensor(name: str, datatype: str, shape: list[int], value: Any) -> Any:
    count = 1
    for size in shape:
        count *= size
    return {"name": name, "datatype": datatype, "shape": shape, "data": [value] * count}


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        # Of a model without batches, and of one with them.
        ([tensor("data_0", "FP32", [3, 224, 224], 0.5)], [tensor("fc6_1", "FP32", [1000], 0.1)]),
        (
            [tensor("INPUT0", "BYTES", [2, 16], "a"), tensor("INPUT1", "BYTES", [2, 1], "b")],
            [tensor("OUTPUT0", "BYTES", [2, 16], "c"), tensor("OUTPUT1", "INT32", [2, 1], 7)],
        ),
        (
            [tensor("INPUT0", "BYTES", [2, 16], "a"), tensor("INPUT1", "BYTES", [2, 1], "b")],
            [tensor("OUTPUT1", "INT32", [2], 7)],
        ),
    ],
)
def test_tensors_of_triton(inputs: Any, outputs: Any) -> None:
    target = b"/v2/models/densenet_onnx/infer" if inputs[0]["name"] == "data_0" else b"/v2/models/simple_string/infer"
    exchange(drafted(recorded("triton")), target, {"inputs": inputs}, {"model_name": "m", "outputs": outputs})


def test_tensors_of_different_lengths_where_nothing_is_declared() -> None:
    inputs = [tensor("x", "FP32", [16], 0.5), tensor("mask", "BOOL", [4], True)]
    exchange(drafted(recorded("kserve")), b"/v2/models/iris/infer", {"inputs": inputs}, {"outputs": inputs})


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (
            {"instances": [{"features": [1, 2, 3, 4.5], "site": 3}] * 2},
            {"predictions": [{"classes": 1, "scores": [0.1, 0.2, 0.7]}] * 2},
        ),
        (
            {"signature_name": "serving_default", "inputs": {"features": [[1, 2, 3, 4.5]], "site": [3]}},
            {"outputs": {"classes": [1], "scores": [[0.1, 0.2, 0.7]]}},
        ),
    ],
)
def test_rows_and_columns_of_tensorflow_serving(request_: Any, answer: Any) -> None:
    text = drafted(recorded("tfserving"), Wanted(models=("iris",)))
    exchange(text, b"/v1/models/iris:predict", request_, answer)


def test_the_one_tensor_of_a_model_goes_bare() -> None:
    of = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "2"}]}}
    signature = {"inputs": {"x": of}, "outputs": {"y": of}}
    pages = {
        "GET /v1/models/m": {"model_version_status": []},
        "GET /v1/models/m/metadata": {"metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}},
    }
    text = drafted(said(pages), Wanted(models=("m",)))
    exchange(text, b"/v1/models/m:predict", {"instances": [[1.0, 2.0]]}, {"predictions": [[0.1, 0.2]]})
    exchange(text, b"/v1/models/m:predict", {"inputs": [[1.0, 2.0]]}, {"outputs": [[0.1, 0.2]]})


FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
GUESS = {"species": "setosa", "confidence": 0.9}


def test_objects_and_rows_of_fastapi_and_bentoml() -> None:
    text = drafted(recorded("fastapi"))
    exchange(text, b"/predict", FLOWER, GUESS)
    exchange(text, b"/predict/batch", {"instances": [FLOWER] * 3}, {"predictions": [GUESS] * 3})
    text = drafted(recorded("bentoml"))
    flower = {"sepal_length": 5.1, "petal_length": 1.4}
    exchange(text, b"/predict", {"flower": flower, "unknown": 1}, GUESS)
    exchange(text, b"/predict", {"flower": flower, "top_k": 3}, GUESS)
    exchange(text, b"/total", {"rows": [[1.0, 2.0], []]}, [3.0, 0.0])
