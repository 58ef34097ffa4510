"""Every family of servers that has rows: how its route is declared, how a client of it writes and reads, how it refuses."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.servers.mlserver import FEATURES

Row = Mapping[str, Any]
JSON = {"content-type": "application/json"}
CSV = {"content-type": "text/csv"}
PLAIN = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SETOSA, VIRGINICA = (5.1, 3.5, 1.4, 0.2), (6.3, 3.3, 6.0, 2.5)
MEASURE = "{type: number, min: 0, max: 100, sensitivity: confidential}"
SPECIES = "{enum: [setosa, versicolor, virginica]}"


@dataclass(frozen=True)
class Family:
    """One server spoken to in one way. `texts`: fields that are no numbers can be sent along, and are not sent on."""

    name: str
    path: str
    dialect: str
    write: Callable[[Sequence[Row]], bytes]
    read: Callable[[Any], list[str]]
    told: Callable[[Any], Mapping[str, Any]]  # of an error: what guard says of it, wherever this family has it
    refused: tuple[bytes, int]  # a body that the server refuses, and its status
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    names: Sequence[str] = PLAIN
    layout: str = ""
    inputs: str = ""  # in place of one number for each name
    output: str = f"species: {SPECIES}"
    fallback: str = "{species: versicolor}"
    texts: bool = True
    nan: str = "json_number"  # what becomes of a NaN token
    codes: Mapping[str, str] = field(default_factory=dict)  # of a case, where this layout has another code
    version: str = ""  # that the server tells
    asked: bool = False  # on a page of its own, and not in its answers

    def __str__(self) -> str:
        return self.name

    @property
    def server(self) -> str:
        """Families of one server share it."""
        return self.name.partition("-")[0]

    @property
    def route(self) -> str:
        """As a user declares it."""
        fields = self.inputs or "\n".join(f'  "{name}": {MEASURE}' for name in self.names)
        if self.texts:
            fields += '\n  plant: {type: string, pattern: "^p[0-9]+$", max_length: 6, required: false, send: false}'
            fields += "\n  site: {enum: [north, south], required: false, send: false}"
        top = f"dialect: {self.dialect}\nundeclared: reject\n{self.layout}".strip()
        return f"{top}\ninput:\n{fields}\noutput:\n  {self.output}\nfallback: {self.fallback}\n"

    def row(self, values: Sequence[float], **more: Any) -> Row:
        """A flower."""
        texts = {"plant": "p1", "site": "north"} if self.texts else {}
        return {**texts, **dict(zip(self.names, values, strict=True)), **more}


def dumps(document: object) -> bytes:
    return json.dumps(document).encode()


def objects(member: str, rows: Sequence[Row]) -> bytes:
    return dumps({member: list(rows)})


def positional(rows: Sequence[Row]) -> bytes:
    return dumps({"instances": [list(row.values()) for row in rows]})


def columns(member: str, rows: Sequence[Row]) -> bytes:
    return dumps({member: _columns(rows)})


def _columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows if name in row] for name in dict.fromkeys(n for row in rows for n in row)}


def split(rows: Sequence[Row]) -> bytes:
    frame = _columns(rows)
    return dumps({"dataframe_split": {"columns": list(frame), "data": [list(row.values()) for row in rows]}})


def lines(names: Sequence[str], rows: Sequence[Row], *, header: bool) -> bytes:
    head = [list(rows[-1] if rows else names)] if header else []
    cells = [*head, *[["" if item is None else str(item) for item in row.values()] for row in rows]]
    return "\n".join(",".join(line) for line in cells).encode() + b"\n"


def tensors(datatype: str, rows: Sequence[Row]) -> bytes:
    texts = {"plant": "BYTES", "site": "BYTES"}
    inputs = [
        {"name": name, "shape": [len(values)], "datatype": texts.get(name, datatype), "data": values}
        for name, values in _columns(rows).items()
    ]
    return dumps({"inputs": inputs})


def matrix(name: str, datatype: str, rows: Sequence[Row]) -> bytes:
    data = [list(row.values()) for row in rows]
    return dumps({"inputs": [{"name": name, "shape": [len(rows), 4], "datatype": datatype, "data": data}]})


def features(rows: Sequence[Row]) -> bytes:
    return dumps({"instances": [{"features": list(row.values())} for row in rows]})


def predictions(said: Any) -> list[str]:
    return list(said["predictions"])


def outputs(name: str) -> Callable[[Any], list[str]]:
    def read(said: Any) -> list[str]:
        [found] = [output for output in said["outputs"] if output["name"] == name]
        assert found["shape"][0] == len(found["data"])
        return list(found["data"])

    return read


def member(said: Any) -> Mapping[str, Any]:
    """`{"error": text}`, as KServe, Triton, MLServer and TensorFlow Serving say it."""
    assert isinstance(said["error"], str)
    return said  # type: ignore[no-any-return]


def mlflow_error(said: Any) -> Mapping[str, Any]:
    assert {"error_code", "message"} <= said.keys()
    return said  # type: ignore[no-any-return]


def google_error(said: Any) -> Mapping[str, Any]:
    assert said["error"].keys() == {"code", "message", "status", "details"}
    return said["error"]["details"][0]  # type: ignore[no-any-return]


def problem(said: Any) -> Mapping[str, Any]:
    assert said["type"].startswith("urn:guard:error:")
    return said  # type: ignore[no-any-return]


MLFLOW = {
    "path": "/invocations", "dialect": "mlflow", "names": FEATURES, "read": predictions,
    "told": mlflow_error, "nan": "null", "refused": (dumps({"dataframe_records": [{"petal width (cm)": 1.0}]}), 400),
}  # fmt: skip
OIP: dict[str, Any] = {"dialect": "oip", "told": member, "nan": "null"}
BARE = {"texts": False, "codes": {"missing": "shape", "unknown": "shape"}}
POSITIONAL = {"missing": "shape", "unknown": "shape"}
TFSERVING = {
    "path": "/v1/models/iris:predict", "dialect": "tfserving", "told": member, "version": "7", "asked": True,
    "nan": "null", "refused": (dumps({"instances": [{"petal_width": 1.0}]}), 400),
}  # fmt: skip
VERTEX = {
    "path": "/v1/endpoints/1/deployedModels/2:predict", "dialect": "vertex",
    "output": "species: {at: /predictions/*/species, enum: [setosa, versicolor, virginica]}",
    "told": google_error, "read": lambda said: [prediction["species"] for prediction in said["predictions"]],
    "refused": (dumps({"instances": [{"petal_width": 1.0}]}), 400),
}  # fmt: skip
SAGEMAKER = {
    "path": "/invocations", "dialect": "sagemaker", "told": problem,
    "texts": False,
}  # fmt: skip

_ALL = (
    Family(
        "mlserver-columns", "/v2/models/iris/infer", write=partial(tensors, "FP64"), read=outputs("predict"),
        names=FEATURES, output=f"predict: {SPECIES}", fallback="{predict: versicolor}", version="v3", **OIP,
        codes={"missing": "shape", "unknown": "shape"},
        refused=(dumps({"inputs": [{"name": n, "shape": [1], "datatype": "FP64", "data": [1]} for n in FEATURES],
                        "outputs": [{"name": "nonsense"}]}), 400),
    ),
    Family(
        "mlserver-matrix", "/v2/models/plain/infer", write=partial(matrix, "x", "FP64"), **OIP, **BARE,
        read=outputs("predict"), layout=f"rows: /x\ncolumns: [{', '.join(PLAIN)}]", output=f"predict: {SPECIES}",
        fallback="{predict: versicolor}",
        refused=(dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1, 1, 1, 1]}],
                        "outputs": [{"name": "nonsense"}]}), 400),
    ),
    Family("mlflow-split", write=split, **MLFLOW, codes=POSITIONAL),
    Family("mlflow-records", write=partial(objects, "dataframe_records"), **MLFLOW),
    Family("mlflow-columns", write=partial(columns, "inputs"), **MLFLOW, codes=POSITIONAL),
    Family("mlflow-csv", write=partial(lines, FEATURES, header=True), headers=CSV, **MLFLOW, codes=POSITIONAL),
    Family(
        "kserve-v1", "/v1/models/iris:predict", "kserve-v1", read=predictions, told=member, codes=POSITIONAL,
        write=positional, refused=(dumps({"instances": 3}), 400),
        layout=f"columns: [plant, site, {', '.join(PLAIN)}]",
    ),
    Family(
        "kserve-v2", "/v2/models/iris/infer", write=partial(matrix, "x", "FP64"), **OIP, **BARE,
        read=outputs("output-0"), layout=f"rows: /x\ncolumns: [{', '.join(PLAIN)}]", output=f"output-0: {SPECIES}",
        fallback="{output-0: versicolor}",
        refused=(dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP16", "data": [1, 1, 1, 1]}]}), 400),
    ),
    Family(
        "fastapi", "/predict/batch", "json", partial(objects, "instances"), told=problem,
        read=lambda said: [prediction["species"] for prediction in said["predictions"]], layout="rows: /instances",
        refused=(dumps({"instances": [{"petal_width": "wide"}]}), 422),
    ),
    Family(
        "triton", "/v2/models/iris/infer", write=partial(matrix, "features", "FP32"), **OIP, **BARE,
        read=outputs("species"), layout=f"rows: /features\ncolumns: [{', '.join(PLAIN)}]", version="2",
        refused=(dumps({"inputs": [{"name": "features", "shape": [1, 4], "datatype": "INT32", "data": [1, 1, 1, 1]}]}), 400),
    ),
    Family("tfserving-rows", write=partial(objects, "instances"), read=predictions, **TFSERVING),
    Family(
        "tfserving-columns", write=partial(columns, "inputs"), read=lambda said: said.get("outputs") or said["predictions"],
        **TFSERVING, codes=POSITIONAL,
    ),
    Family("vertex-objects", write=partial(objects, "instances"), **VERTEX),
    Family(
        "vertex-positional", write=positional, **VERTEX, codes=POSITIONAL,
        layout=f"columns: [plant, site, {', '.join(PLAIN)}]",
    ),
    Family(
        "sagemaker-json", write=features, **SAGEMAKER, read=lambda said: [prediction["predicted_label"] for prediction in said["predictions"]],
        inputs="  features: {type: array, min_items: 4, max_items: 4, items: {type: number, min: 0, max: 100}}",
        output="species: {at: /predictions/*/predicted_label, enum: [setosa, versicolor, virginica]}",
        refused=(dumps({"instances": [{"features": [1.0]}]}), 400), codes={"missing": "items", "unknown": "items"},
    ),
    Family(
        "sagemaker-csv", write=partial(lines, PLAIN, header=False), headers=CSV, **SAGEMAKER,
        layout=f"columns: [{', '.join(PLAIN)}]", read=lambda said: said.splitlines(), nan="null",
        refused=(b"1.0,wide,1.0,1.0\n", 400), codes={"missing": "shape", "unknown": "shape"},
    ),
)  # fmt: skip
FAMILIES = {family.name: family for family in _ALL}
