"""Builds requests of the Open Inference Protocol: tensors, and texts of its generate extension."""

from collections.abc import Sequence
from typing import Any, Final

from guard.dialects.oip import OpenInference
from guard.kit.request_builder.values import Builder, Carried, Instance, Layout, single, tree, written
from guard.policy.route import Route

NAME: Final = OpenInference.name
DATATYPES: Final = {"integer": "INT64", "number": "FP64", "boolean": "BOOL"}


def _layouts(template: str, route: Route) -> tuple[Layout, ...]:
    if template.endswith(("/generate", "/generate_stream")):
        return (single("text", lambda row: {"text_input": "hello", **tree(route, row)}),)
    return (_tensors(route),)


def _tensors(route: Route) -> Layout:
    held = route.rows[1:] if route.rows and route.columns else ""

    def carry(rows: Sequence[Instance]) -> Carried:
        inputs = []
        if held:
            names = route.columns or ()
            kind = next((datatype for name in names if (datatype := route.inputs[name].datatype)), "FP64")
            data = [row.get(name) for row in rows for name in names]
            inputs.append({"name": held, "shape": [len(rows), len(names)], "datatype": kind, "data": data})
        sent = list(rows[0]) if rows else list(route.inputs)
        inputs += [_tensor(route, name, rows) for name in sent if not (held and name in (route.columns or ()))]
        return written({"inputs": inputs})

    return Layout("tensors", carry, positional=bool(held))


def _tensor(route: Route, name: str, rows: Sequence[Instance]) -> dict[str, Any]:
    field = route.inputs[name]
    shape, values = field.shape, [row.get(name) for row in rows]
    if shape and shape[0] != -1:
        values = values[:1]  # one for all the instances
    data = [item for value in values for item in (value if field.type == "array" and isinstance(value, list) else [value])]
    value = field.items if field.items is not None else field
    epoch = value.type == "timestamp" and value.unit is not None
    kind = field.datatype or ("FP64" if epoch else DATATYPES.get(value.type, "BYTES"))
    if shape is None:
        wide = [len(data) // len(rows)] if field.type == "array" and rows else []
        return {"name": name, "shape": [len(rows), *wide], "datatype": kind, "data": data}
    known = [max(size, 1) for size in shape[1:]]
    return {"name": name, "shape": [len(rows) if shape[0] == -1 else shape[0], *known], "datatype": kind, "data": data}


BUILDER: Final = Builder(_layouts, nan_is_null=True)
