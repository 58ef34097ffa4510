"""A rehearsal of each dialect's protocol, against a server that speaks it and knows nothing of guard."""

import json
from pathlib import Path
from textwrap import dedent, indent

import pytest

from tests.answering import answering
from tests.kit.rehearse.making import VARIANTS
from tests.kit.rehearse.stage import checks, told

PATHS = {
    "oip": "POST /v2/models/m/infer", "kserve-v1": "POST /v1/models/m:predict", "tfserving": "POST /v1/models/m:predict",
    "mlflow": "POST /invocations", "sagemaker": "POST /invocations", "vertex": "POST /predict",
    "openai": "POST /v1/chat/completions",
}  # fmt: skip


def answer(head: bytes, body: bytes) -> tuple[int, bytes]:
    """As a server of the dialect does: as many predictions as instances."""
    if head.startswith(b"GET"):
        return 200, b"{}"
    if b"text/csv" in head.lower():
        named = b"/invocations" in head and b"age" in body.split(b"\n", 1)[0]
        return 200, json.dumps({"predictions": ["a"] * (len(body.strip().split(b"\n")) - named)}).encode()
    document = json.loads(body)
    if "messages" in document:
        return 200, json.dumps({"object": "chat.completion", "model": "m", "choices": []}).encode()
    if isinstance(document.get("inputs"), list) and "datatype" in str(document["inputs"][0]):
        count = document["inputs"][0]["shape"][0]
        output = {"name": "label", "datatype": "INT64", "shape": [count], "data": [1] * count}
        return 200, json.dumps({"model_name": "m", "outputs": [output]}).encode()
    [rows] = [value for name, value in document.items() if name not in {"parameters", "params", "signature_name"}]
    if isinstance(rows, dict):
        rows = rows["data"] if "data" in rows else next(iter(rows.values()))
    return 200, json.dumps({"predictions": ["a"] * len(rows)}).encode()


@pytest.mark.parametrize("dialect", PATHS)
def test_a_server_that_speaks_its_dialect_well_passes(tmp_path: Path, dialect: str) -> None:
    text = indent(dedent(VARIANTS[dialect]).strip("\n"), "    ")
    with answering(answer) as port:
        (path := tmp_path / "policy.yaml").write_text(
            f"version: guard/v1\nservice: t\nupstream: http://127.0.0.1:{port}\nroutes:\n  '{PATHS[dialect]}':\n"
            f"    dialect: {dialect}\n{text}\n"
        )
        code, document = told(path, "--only", "messy", "--only", "fallback", "--seconds", "60")
    failed = [check for part in document["result"]["parts"] for check in part["checks"] if check["result"] == "fail"]
    assert failed == []
    assert code == 0
    [messy] = [part for part in document["result"]["parts"] if part["name"] == "messy"]
    assert messy["figures"]["requests"] > 60
    assert {"null", "wrong kind", "out of range", "truncated", "wrong content type"} <= messy["figures"]["classes"].keys()


def _versioned(head: bytes, body: bytes) -> tuple[int, bytes]:
    """A server that has version 3 of its model, and no other."""
    if head.startswith(b"GET"):
        return 200, b"{}"
    return answer(head, body) if b"/versions/3/" in head.split(b"\r\n")[0] else (404, b'{"error": "not found"}')


def test_an_open_part_of_the_path_asks_for_an_example_and_blames_no_model(tmp_path: Path) -> None:
    text = indent(dedent(VARIANTS["oip"]).strip("\n"), "    ")
    with answering(_versioned) as port:
        (path := tmp_path / "policy.yaml").write_text(
            f"version: guard/v1\nservice: t\nupstream: http://127.0.0.1:{port}\nroutes:\n"
            f"  'POST /v2/models/m/versions/{{version}}/infer':\n    dialect: oip\n{text}\n"
        )
        _, document = told(path, "--only", "messy", "--seconds", "20")
        [check] = checks(document, "requests").values()
        assert check["result"] == "skip"
        assert "`path`" in check["todo"]
        assert "the model server fails" not in json.dumps(document)
        example = {"path": "/v2/models/m/versions/3/infer", "body": _works()}
        (folder := tmp_path / "tests" / "requests").mkdir(parents=True)
        (folder / "works.json").write_text(json.dumps(example))
        _, document = told(path, "--only", "messy", "--seconds", "20")
        assert document["result"]["routes"] == [{"route": "POST /v2/models/m/versions/{version}/infer", "works": True}]


def _works() -> dict[str, object]:
    tensors = [
        ("age", [1, 1], "INT64", [30]), ("income", [1], "FP64", [1000.5]), ("pixels", [1, 4], "FP32", [0.5] * 4),
        ("job", [1], "BYTES", ["x"]),
    ]  # fmt: skip
    names = ("name", "shape", "datatype", "data")
    return {"inputs": [dict(zip(names, tensor, strict=True)) for tensor in tensors]}
