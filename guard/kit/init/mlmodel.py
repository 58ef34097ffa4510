"""The signature in an MLmodel file: columns, tensors and parameters of an MLflow model.

Source: mlflow/types/schema.py. Inputs, outputs and params are JSON in a YAML string. The YAML is read as guard reads its
own policies: no tags, anchors or bombs.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from guard.contract.fields import join
from guard.contract.strict import Unreadable, loads
from guard.kit.init.draft import Field, Shape, Signature
from guard.kit.init.server import listed, mapping
from guard.kit.init.words import line, nameable
from guard.policy.document import MAX_BYTES
from guard.policy.errors import PolicyInvalid
from guard.policy.loading.parse import parse

TYPES: Final = {
    "boolean": "boolean", "integer": "integer", "long": "integer", "float": "number", "double": "number",
    "string": "string", "binary": "string", "datetime": "string",
}  # fmt: skip
SAID: Final = {"binary": ", as base64", "datetime": ", as pandas reads it: the offset of a timestamp may be missing"}
_NUMPY: Final = (("float", "number"), ("int", "integer"), ("uint", "integer"), ("bool", "boolean"), ("str", "string"))
_MOST: Final = 5000
_DEEPEST: Final = 12


class NoSignature(Exception):  # noqa: N818 — a word of the domain
    """The file cannot be read, or is none."""


class _Unmapped(Exception):  # noqa: N818
    """A type that no field has; says which."""


def read(path: Path) -> Signature:
    """Read an MLmodel file, or the one of a model's folder. Raises NoSignature."""
    file = path / "MLmodel" if path.is_dir() else path
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise NoSignature(f"cannot read {file}: {error.strerror}") from None
    try:
        tree = parse(raw, str(file))
    except PolicyInvalid as invalid:
        raise NoSignature(f"not a readable MLmodel file: {line(invalid.errors[0], 200)}") from None
    declared = mapping(tree.get("signature"))
    if "flavors" not in tree and not declared:
        raise NoSignature(f"{file} is not an MLmodel file: it has neither flavors nor a signature")
    notes: list[str] = [] if declared else ["The model was logged without a signature: nothing declared."]
    inputs, unmapped = _side(declared, "inputs", "MLmodel", notes)
    outputs, _ = _side(declared, "outputs", "MLmodel", notes)
    if unmapped and len(inputs) == 1:  # a bare row would be taken for it
        inputs = {}
    return Signature(
        inputs=inputs,
        outputs=_placed(outputs),
        params=_params(_json(declared, "params", notes), notes),
        notes=tuple(notes),
        version=str(tree.get("model_uuid", "")),
        unmapped=unmapped,
    )


def _json(declared: Mapping[str, Any], key: str, notes: list[str]) -> list[Any]:
    """The list in one of the signature's strings."""
    text = declared.get(key)
    if not isinstance(text, str) or text in ("null", ""):
        return []
    try:
        document = loads(text.encode(), nan=True, elements=len(text))
    except (Unreadable, UnicodeEncodeError, RecursionError):
        notes.append(f"Not declared: signature.{key} is not JSON.")
        return []
    return listed(document)[:_MOST]


def _side(declared: Mapping[str, Any], side: str, source: str, notes: list[str]) -> tuple[dict[str, Field], bool]:
    """Fields by name, and whether one could not be declared."""
    fields: dict[str, Field] = {}
    entries = [mapping(item) for item in _json(declared, side, notes)]
    for index, entry in enumerate(entries):
        name = entry.get("name")
        if name is None:
            name = side.removesuffix("s") if len(entries) == 1 else str(index)
        try:
            if not nameable(name):
                raise _Unmapped("its name")
            fields[name] = _field(entry, side, source, named="name" in entry)
        except _Unmapped as error:
            notes.append(f"Not declared: {line(name, 60)} of signature.{side}: {error}.")
    return fields, len(fields) < len(entries)


def _field(entry: dict[str, Any], side: str, source: str, *, named: bool) -> Field:
    unnamed = "" if named else ", without a name"
    if entry.get("type") == "tensor":
        spec = mapping(entry.get("tensor-spec"))
        shape = [size for size in listed(spec.get("shape")) if type(size) is int and -1 <= size < 1 << 53]
        if len(shape) != len(listed(spec.get("shape"))) or len(shape) > _DEEPEST:
            raise _Unmapped("a shape that cannot be read")
        kind = next((kind for word, kind in _NUMPY if str(spec.get("dtype")).startswith(word)), None)
        if kind is None:
            raise _Unmapped(f"the dtype {line(spec.get('dtype'), 30)}")
        text = f"from {source}, signature.{side}: tensor {line(spec.get('dtype'), 30)} {shape}{unnamed}"
        return Field(_tensor(kind, shape[1:]), text)
    shape_ = _column(entry, 0)
    if _optional(entry):
        shape_["required"] = False
    word = line(entry.get("type"), 20)
    return Field(shape_, f"from {source}, signature.{side}: {word}{SAID.get(word, '')}{unnamed}")


def _optional(entry: Mapping[str, Any]) -> bool:
    return entry.get("required") is False or entry.get("optional") is True


def _tensor(kind: str, shape: list[int]) -> Shape:
    """One instance of a tensor: the first dimension counts them."""
    if not shape:
        return {"type": kind}
    size: Shape = {} if shape[0] == -1 else {"min_items": shape[0], "max_items": shape[0]}
    return {"type": "array", **size, "items": _tensor(kind, shape[1:])}


def _column(column: Mapping[str, Any], depth: int) -> Shape:
    """A type of MLflow's: one of its eight, or array, map, object of them."""
    if depth > _DEEPEST:
        raise _Unmapped("too deep")
    match column.get("type"):
        case str(word) if word in TYPES:
            return {"type": TYPES[word]}
        case "array":
            return {"type": "array", "items": _column(mapping(column.get("items")), depth + 1)}
        case "map":
            return {"type": "object"}
        case "object":
            fields: Shape = {}
            for name, value in mapping(column.get("properties")).items():
                if not nameable(name):
                    raise _Unmapped("a name in it")
                inner = mapping(value)
                fields[name] = _column(inner, depth + 1) | ({"required": False} if _optional(inner) else {})
            return {"type": "object", "fields": fields} if fields else {"type": "object"}
        case other:
            raise _Unmapped(f"the type {line(other, 30)}")


def _placed(outputs: dict[str, Field]) -> dict[str, Field]:
    """A data frame comes back as records, and so does a single column with a name; all else is bare."""
    if len(outputs) == 1:
        [(name, output)] = outputs.items()
        if "without a name" not in output.source and "tensor" not in output.source:
            return {name: Field({"at": join(("predictions", "*", name)), **output.shape}, output.source)}
    return outputs


def _params(entries: list[Any], notes: list[str]) -> dict[str, Field]:
    return dict(_each_param(entries, notes))


def _each_param(entries: list[Any], notes: list[str]) -> Iterator[tuple[str, Field]]:
    for entry in entries:
        param = mapping(entry)
        name = param.get("name")
        try:
            if not nameable(name):
                raise _Unmapped("its name")
            shape = _column(param, 0)
        except _Unmapped as error:
            notes.append(f"Not declared: {line(name, 60)} of signature.params: {error}.")
            continue
        if param.get("shape") is not None:
            shape = {"type": "array", "items": shape}
        default = f", {line(param['default'], 30)} where it is missing" if param.get("default") is not None else ""
        yield str(name), Field(shape, f"from MLmodel, signature.params: {line(param.get('type'), 20)}{default}")
