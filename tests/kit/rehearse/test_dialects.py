"""A rehearsal of each dialect's protocol, against a server that speaks it and knows nothing of guard."""

import json
from pathlib import Path
from textwrap import dedent, indent

import pytest

from tests.answering import answering
from tests.kit.rehearse.making import VARIANTS
from tests.kit.rehearse.stage import told

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
