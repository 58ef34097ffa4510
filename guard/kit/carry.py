"""How instances lie in a request of a route: for each dialect the layouts that its clients send, the usual one first.

An instance is what a contract sees: values by field name. Written from the protocols' own documents, and by no code of
`guard.dialects`, so that what is carried here is a check of what is read there.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from guard.policy.route import Route

Instance: TypeAlias = Mapping[str, Any]
JSON: Final = "application/json"
CSV: Final = "text/csv"

ENVELOPES: Final[Mapping[str, frozenset[str]]] = {
    "kserve-v1": frozenset(("parameters",)),
    "vertex": frozenset(("parameters",)),
    "tfserving": frozenset(("signature_name", "context")),
    "mlflow": frozenset(("params",)),
    "sagemaker": frozenset(("configuration",)),
}
"""Members of a body that stand beside its instances."""
VIRTUAL: Final = frozenset(("roles", "texts", "characters", "attachments", "tokens"))
"""What a contract sees of an OpenAI request, and no request has."""
DATATYPES: Final = {"integer": "INT64", "number": "FP64", "boolean": "BOOL"}


class Carried(NamedTuple):
    """A request's body."""

    content_type: str
    body: bytes
    document: Any  # None where the body is no JSON


class Layout(NamedTuple):
    """One way to carry instances."""

    name: str
    carry: Callable[[Sequence[Instance]], Carried]
    positional: bool = False  # a value has a place in its row, so none can be left out
    textual: bool = False  # values are text: a number is one whatever its quotes
    many: bool = True  # takes any number of instances


def layouts(key: str, route: Route) -> tuple[Layout, ...]:
    """The layouts of a route with declared fields."""
    template = key.partition(" ")[2]
    match route.dialect:
        case "json":
            return (_json(route),)
        case "oip":
            if template.endswith(("/generate", "/generate_stream")):
                return (_one("text", lambda row: {"text_input": "hello", **_tree(route, row)}),)
            return (_tensors(route),)
        case "openai":
            return (_one("request", lambda row: _prompt(route, template, row)),)
        case "tfserving":
            return (_rows(route, "instances"), _columns(route, "inputs"))
        case "mlflow":
            return (_rows(route, "dataframe_records"), _split(route), _csv(route, header=True))
        case "sagemaker":
            return (_rows(route, "instances"), *((_csv(route, header=False),) if route.columns else ()))
    return (_rows(route, "instances"),)


def written(document: Any) -> Carried:
    """A JSON document as a body. Characters are sent as they are, half a surrogate pair escaped."""
    text = json.dumps(document, ensure_ascii=False)
    return Carried(JSON, text.encode("utf-8") if _whole(text) else json.dumps(document).encode(), document)


def _whole(text: str) -> bool:
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def _one(name: str, make: Callable[[Instance], Any]) -> Layout:
    return Layout(name, lambda rows: written(make(rows[0])), many=False)


def _json(route: Route) -> Layout:
    def laid(row: Instance) -> Any:
        return [row.get(name) for name in route.columns] if route.columns is not None else _tree(route, row)

    positional = route.columns is not None
    if route.rows is None:
        return Layout("instance", lambda rows: written(laid(rows[0])), positional=positional, many=False)
    steps = _steps(route.rows)

    def carry(rows: Sequence[Instance]) -> Carried:
        document: Any = [laid(row) for row in rows]
        for step in reversed(steps):
            document = {step: document}
        return written(document)

    return Layout("rows", carry, positional=positional)


def _rows(route: Route, member: str) -> Layout:
    positional = route.columns is not None

    def carry(rows: Sequence[Instance]) -> Carried:
        trees, shared = _parted(route, rows)
        laid: list[Any] = [[row.get(name) for name in route.columns] for row in rows] if route.columns else trees
        return written({member: laid, **shared})

    return Layout(member, carry, positional=positional)


def _columns(route: Route, member: str) -> Layout:
    def carry(rows: Sequence[Instance]) -> Carried:
        trees, shared = _parted(route, rows)
        names = list(trees[0]) if trees else [next(iter(route.inputs))]
        return written({member: {name: [tree.get(name) for tree in trees] for name in names}, **shared})

    return Layout("columns", carry)


def _split(route: Route) -> Layout:
    def carry(rows: Sequence[Instance]) -> Carried:
        trees, shared = _parted(route, rows)
        names = list(trees[0]) if trees else [next(iter(route.inputs))]
        data = [[tree.get(name) for name in names] for tree in trees]
        return written({"dataframe_split": {"columns": names, "data": data}, **shared})

    return Layout("split", carry)


def _csv(route: Route, *, header: bool) -> Layout:
    def carry(rows: Sequence[Instance]) -> Carried:
        names = list(route.columns or (rows[0] if rows else [next(iter(route.inputs))]))
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        if header:
            writer.writerow(names)
        writer.writerows([[_cell(row.get(name)) for name in names] for row in rows])
        return Carried(CSV, out.getvalue().encode("utf-8", "replace"), None)

    return Layout("csv", carry, positional=not header, textual=True)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def _tensors(route: Route) -> Layout:
    held = route.rows[1:] if route.rows and route.columns else ""

    def carry(rows: Sequence[Instance]) -> Carried:
        inputs = []
        if held:
            names = route.columns or ()
            kind = next((found for name in names if (found := route.inputs[name].datatype)), "FP64")
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
    data = [one for value in values for one in (value if field.type == "array" and isinstance(value, list) else [value])]
    items = field.items.type if field.items is not None else ""
    kind = field.datatype or DATATYPES.get(items or field.type, "BYTES")
    if shape is None:
        wide = [len(data) // len(rows)] if field.type == "array" and rows else []
        return {"name": name, "shape": [len(rows), *wide], "datatype": kind, "data": data}
    known = [max(one, 1) for one in shape[1:]]
    return {"name": name, "shape": [len(rows) if shape[0] == -1 else shape[0], *known], "datatype": kind, "data": data}


def _prompt(route: Route, template: str, row: Instance) -> dict[str, Any]:
    """The members that a contract declares, beside the text that every request has."""
    member: dict[str, Any] = {"prompt": "hello"}
    if "/chat/" in template:
        member = {"messages": [{"role": "user", "content": "hello"}]}
    elif template.endswith("/embeddings"):
        member = {"input": "hello"}
    if "model" not in route.inputs:
        member["model"] = "rehearsal"
    return {**member, **{name: value for name, value in row.items() if name not in VIRTUAL}}


def _parted(route: Route, rows: Sequence[Instance]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The instances as documents, and what stands beside them in the body."""
    envelope = ENVELOPES.get(route.dialect, frozenset())
    trees = [_tree(route, row) for row in rows]
    shared = {name: value for name, value in (trees[0] if trees else {}).items() if name in envelope}
    return [{name: value for name, value in tree.items() if name not in envelope} for tree in trees], shared


def _tree(route: Route, row: Instance) -> dict[str, Any]:
    """An instance as a document, each field in its place; names that no field has stand as they are."""
    tree: dict[str, Any] = {}
    for name, value in row.items():
        at = route.inputs[name].at if name in route.inputs else None
        *parents, last = [name] if at is None else _steps(at)
        below = tree
        for part in parents:
            below = below.setdefault(part, {})
        below[last] = value
    return tree


def _steps(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
