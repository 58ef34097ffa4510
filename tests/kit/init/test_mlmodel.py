"""Signatures of MLmodel files, and what MLflow's server may then be sent."""

import json
from pathlib import Path
from typing import Any

import pytest

from guard.kit.init import mlmodel
from guard.kit.init.draft import Signature, Wanted
from guard.kit.init.mlmodel import NoSignature
from guard.proxy.values import Refused
from tests.kit.init.fake import drafted, recorded
from tests.kit.init.test_true import exchange


def signature(tmp_path: Path, **sides: Any) -> Signature:
    lines = [f"  {side}: {json.dumps(json.dumps(entries))}\n" for side, entries in sides.items()]
    (tmp_path / "MLmodel").write_text("flavors: {}\nmodel_uuid: 17\nsignature:\n" + "".join(lines))
    return mlmodel.read(tmp_path)


def tensor(dtype: str, *shape: int, **more: Any) -> Any:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}, **more}


COLUMNS = [
    {"type": "long", "name": "age", "required": True},
    {"type": "double", "name": "income", "required": False},
    {"type": "string", "name": "note", "optional": True},
    {"type": "datetime", "name": "at", "required": True},
    {"type": "array", "items": {"type": "float"}, "name": "history", "required": True},
    {"type": "object", "properties": {"x": {"type": "boolean", "required": False}}, "name": "more", "required": True},
    {"type": "map", "values": {"type": "long"}, "name": "counts", "required": True},
]
ROW = {
    "age": 1,
    "income": 2.5,
    "note": "n",
    "at": "2026-01-01 00:00:00",
    "history": [1, 2.5],
    "more": {},
    "counts": {"a": 1},
}


def test_columns_of_every_type(tmp_path: Path) -> None:
    found = signature(tmp_path, inputs=COLUMNS, outputs=[{"type": "long", "required": True}])
    assert {name: field.shape for name, field in found.inputs.items()} == {
        "age": {"type": "integer"},
        "income": {"type": "number", "required": False},
        "note": {"type": "string", "required": False},
        "at": {"type": "string"},
        "history": {"type": "array", "items": {"type": "number"}},
        "more": {"type": "object", "fields": {"x": {"type": "boolean", "required": False}}},
        "counts": {"type": "object"},
    }
    assert found.version == "17"
    text = drafted(recorded("mlflow"), Wanted(mlmodel=found))
    for body in (
        {"dataframe_records": [ROW, ROW]},
        {"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())] * 2}},
        {"inputs": {name: [value, value] for name, value in ROW.items()}},
    ):
        exchange(text, b"/invocations", body, {"predictions": [1, 2]})


@pytest.mark.parametrize(
    ("inputs", "body"),
    [
        ([tensor("float64", -1, 2)], {"inputs": [[1, 2.5], [3, 4]]}),
        ([tensor("float64", -1, 2)], {"instances": [[1, 2.5], [3, 4]]}),
        ([tensor("int64", -1)], {"inputs": [1, 2]}),
        ([tensor("float32", -1, 2, 2)], {"instances": [[[1, 2], [3, 4]]] * 2}),
        ([tensor("float64", -1, 2, name="a"), tensor("bool", -1, name="b")], {"inputs": {"a": [[1, 2], [3, 4]], "b": [True, False]}}),
    ],
)  # fmt: skip
def test_tensors_with_and_without_names(tmp_path: Path, inputs: Any, body: Any) -> None:
    found = signature(tmp_path, inputs=inputs, outputs=[tensor("float64", -1, 3)])
    exchange(
        drafted(recorded("mlflow"), Wanted(mlmodel=found)), b"/invocations", body, {"predictions": [[0.1, 0.2, 0.7]] * 2}
    )


@pytest.mark.parametrize(
    ("outputs", "predictions"),
    [
        ([{"type": "string", "name": "label"}], [{"label": "a"}]),
        ([{"type": "string", "name": "label"}, {"type": "double", "name": "score"}], [{"label": "a", "score": 0.5}]),
        ([{"type": "double"}], [0.5]),
        ([tensor("int64", -1)], [1]),
    ],
)
def test_outputs_stand_where_mlflow_puts_them(tmp_path: Path, outputs: Any, predictions: Any) -> None:
    found = signature(tmp_path, inputs=COLUMNS[:1], outputs=outputs)
    assert found.outputs
    text = drafted(recorded("mlflow"), Wanted(mlmodel=found))
    exchange(text, b"/invocations", {"dataframe_records": [{"age": 1}]}, {"predictions": predictions})


def test_params_stand_in_their_member_and_are_optional(tmp_path: Path) -> None:
    params = [
        {"name": "temperature", "type": "float", "default": 0.7, "shape": None},
        {"name": "stop", "type": "string", "default": None, "shape": [-1]},
        {"name": "age", "type": "long", "default": 1, "shape": None},
    ]
    text = drafted(recorded("mlflow"), Wanted(mlmodel=signature(tmp_path, inputs=COLUMNS[:1], params=params)))
    assert "params: {type: object, required: false, fields: {temperature: {type: number, required: false}" in text
    assert "0.7 where it is missing" in text
    exchange(text, b"/invocations", {"dataframe_records": [{"age": 1}]}, {"predictions": [1]})
    body = {"dataframe_records": [{"age": 1}], "params": {"temperature": 0.1, "stop": ["a"], "age": 3}}
    exchange(text, b"/invocations", body, {"predictions": [1]})
    with pytest.raises(Refused):
        exchange(text, b"/invocations", {**body, "params": {"temperature": "hot"}}, {"predictions": [1]})


def test_what_has_no_type_is_named_and_passed(tmp_path: Path) -> None:
    inputs = [*COLUMNS[:2], {"type": "any", "name": "blob", "required": True}]
    text = drafted(recorded("mlflow"), Wanted(mlmodel=signature(tmp_path, inputs=inputs)))
    assert "# Not declared: blob of signature.inputs: the type any." in text
    assert "undeclared: pass" in text
    exchange(text, b"/invocations", {"dataframe_records": [{"age": 1, "blob": [1]}]}, {"predictions": [1]})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not a readable"),
        ("- a", "not a readable"),
        ("a: !!python/object:os.system x", "not a readable"),
        ("a: &x [1]\nb: *x", "not a readable"),
        ("a" * (1 << 21), "not a readable"),
        ("name: x", "neither flavors nor a signature"),
    ],
)
def test_what_is_no_mlmodel_file(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(NoSignature, match=word):
        mlmodel.read(tmp_path)
    with pytest.raises(NoSignature, match="cannot read"):
        mlmodel.read(tmp_path / "not there")


def test_a_model_without_a_signature_and_one_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    assert "without a signature" in mlmodel.read(tmp_path).notes[0]
    (tmp_path / "MLmodel").write_text("flavors: {}\nsignature: {inputs: '[{', outputs: null, params: []}\n")
    assert mlmodel.read(tmp_path).notes == ("Not declared: signature.inputs is not JSON.",)
