"""Declared fields → JSON Schema 2020-12 of the bodies that carry them: what guard takes, and what it answers.

A schema takes exactly what the contract takes, as far as JSON Schema can say it: what only the dialect checks (lengths that
multiply, columns that agree) and the age of times are in words beside it.
"""

from collections.abc import Mapping
from typing import Any, Final

from guard.contract.fields import split
from guard.contract.strict import LARGEST_EXACT, LEAST_EXACT, SAFE
from guard.contract.validators import FIRST_SECOND, LAST_SECOND
from guard.kit.description import ContractDescription
from guard.kit.markdown import prose
from guard.policy.fields import InputField, OutputField, Shape
from guard.policy.route import Route

_TYPES: Final = {"timestamp": "string"}
_BOUNDS: Final = {
    "min": "minimum", "max": "maximum", "min_length": "minLength", "max_length": "maxLength", "min_items": "minItems",
    "max_items": "maxItems",
}  # fmt: skip
_OTHER_REGEX: Final = ("(?", "\\A", "\\z", "\\p", "\\P", "\\x{", "[[", "&&", "--", "~~", "\\h", "\\<", "\\>")
"""Pattern syntax that ECMA-262, the language of JSON Schema's patterns, reads differently or not at all."""
_OPEN: Final = "strip"


def value(shape: Shape, undeclared: str = _OPEN, *, exact: bool, null: bool = False) -> dict[str, Any]:
    """One value. `exact`: its integers have all 64 bits. `null`: it may be null, too, whatever the shape says."""
    kind = "number" if shape.type == "timestamp" and shape.unit is not None else _TYPES.get(shape.type, shape.type)
    null = null or shape.nullable
    schema: dict[str, Any] = {"type": [kind, "null"] if null else kind}
    if shape.type == "timestamp" and shape.unit is None:
        schema |= {"format": "date-time"} if shape.zone is None else {"x-guard-zone": shape.zone}
    if shape.enum is not None:
        schema["enum"] = [*shape.enum, *([None] if null else [])]
    schema |= {word: bound for key, word in _BOUNDS.items() if (bound := getattr(shape, key)) is not None}
    schema |= _number_bounds(shape, exact=exact)
    if shape.pattern is not None:
        portable = shape.pattern.isascii() and not any(item in shape.pattern for item in _OTHER_REGEX)
        schema["pattern" if portable else "x-guard-pattern"] = shape.pattern
    if shape.items is not None:
        schema["items"] = value(shape.items, undeclared, exact=exact, null=not shape.items.required)
    if shape.fields is not None:
        below = {
            name: value(field, undeclared, exact=exact, null=not field.required) for name, field in shape.fields.items()
        }
        schema = _object(below, [name for name, field in shape.fields.items() if field.required], undeclared) | schema
    if shape.has_default:
        schema["default"] = shape.default
    if shape.has_example:
        schema["examples"] = [shape.example]
    if shape.description is not None:
        schema["description"] = prose(shape.description)  # which is CommonMark
    return schema | _extensions(shape)


def _number_bounds(shape: Shape, *, exact: bool) -> dict[str, int]:
    """Bounds of numbers by type: integers that no reader rounds, or of 64 bits, and times. Tighter bounds win."""
    if shape.type == "timestamp" and shape.unit is not None:
        scale = 1000 if shape.unit == "ms" else 1
        return {"minimum": FIRST_SECOND * scale, "maximum": LAST_SECOND * scale}
    if shape.type != "integer" or shape.enum is not None:
        return {}
    least, largest = (LEAST_EXACT, LARGEST_EXACT) if exact or shape.exact else (-SAFE, SAFE)
    return {
        "minimum": max(least, int(shape.min)) if shape.min is not None else least,
        "maximum": min(largest, int(shape.max)) if shape.max is not None else largest,
    }


def _extensions(shape: Shape) -> dict[str, Any]:
    """Facts that JSON Schema cannot express."""
    extensions: dict[str, Any] = {
        "sensitivity": shape.sensitivity,
        "unit": shape.unit,
        "detect": list(shape.detect) or None,
    }
    if isinstance(shape, InputField):
        fresh = shape.freshness
        extensions |= {
            "send": None if shape.send else False,
            "missing": shape.missing if shape.missing != "deny" else None,
            "freshness": {"warn": fresh.warn, "stale": fresh.stale, "skew": fresh.skew} if fresh is not None else None,
        }
    if isinstance(shape, OutputField):
        calibration = shape.calibration
        extensions |= {
            "meaning": shape.meaning,
            "calibration": calibration.model_dump(exclude_none=True) if calibration is not None else None,
            "from": shape.from_,
        }
    return {f"x-guard-{name}": item for name, item in extensions.items() if item is not None}


def _object(properties: Mapping[str, Any], required: list[str], undeclared: str = _OPEN) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = required
    if undeclared == "reject":
        schema["additionalProperties"] = False
    return schema


# ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def request(laid: ContractDescription) -> dict[str, Any]:
    """The body of a request of declared fields."""
    route = laid.contract
    if laid.tensors:
        return _tensors(route)
    real = {name: field for name, field in route.inputs.items() if name not in laid.request_layout.words}
    beside = {name: item for name, item in real.items() if laid.beside(name, item)}
    own = {name: item for name, item in real.items() if name not in beside}
    undeclared = route.undeclared if not laid.request_layout.words else _OPEN  # what the API documents is never refused
    instance = _row(route) if route.columns is not None else _members(own, undeclared, exact=route.exact)
    if laid.member:
        body = _members(beside, undeclared, exact=route.exact)
        if undeclared == "reject":
            body["properties"] = dict.fromkeys(sorted(laid.request_layout.beside), True) | body["properties"]
        if undeclared == "pass" and route.columns is None:
            instance["properties"] |= dict.fromkeys(body["properties"], False)  # they are the body's, no instance's
        body["properties"][laid.member] = _batch(route, instance)
        body["required"] = [*body.get("required", ()), laid.member]
        return body
    if route.rows is None:
        return instance
    instances = _batch(route, instance)
    for step in reversed(split(route.rows)):
        instances = _object({step: instances}, [step], route.undeclared)
    return instances


def _required(fields: Mapping[str, InputField]) -> list[str]:
    return [name for name, field in fields.items() if field.required and field.missing == "deny"]


def _batch(route: Route, instance: dict[str, Any]) -> dict[str, Any]:
    """A list of at least one instance, and of no more than the route takes."""
    listed: dict[str, Any] = {"type": "array", "minItems": 1, "items": instance}
    return listed if route.max_rows is None else {**listed, "maxItems": route.max_rows}


def _members(fields: Mapping[str, InputField], undeclared: str, *, exact: bool) -> dict[str, Any]:
    """An object with each field at its place."""
    root: dict[str, Any] = _object({}, [], undeclared)
    for name, field in fields.items():
        *way, last = split(field.at) if field.at is not None else [name]
        step = root
        for part in way:
            if part not in step["properties"]:
                step["properties"][part] = _object({}, [], undeclared)
                step.setdefault("required", []).append(part)
            step = step["properties"][part]
        null = not field.required or field.missing == "fall"
        step["properties"][last] = value(field, undeclared, exact=exact, null=null)
        if _required({name: field}):
            step.setdefault("required", []).append(last)
    return root


def _row(route: Route) -> dict[str, Any]:
    names = route.columns or ()
    fields = [route.inputs[name] for name in names]
    items = [
        value(field, route.undeclared, exact=route.exact, null=not field.required or field.missing == "fall")
        for field in fields
    ]
    for name, item in zip(names, items, strict=True):
        item["title"] = name
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items), "items": False}


def _tensors(route: Route) -> dict[str, Any]:
    """One of each; the elements' own bounds hold wherever they stand."""
    if route.columns is not None and route.rows is not None:
        fields = [route.inputs[name] for name in route.columns]
        elements = [value(tensor, exact=route.exact, null=not tensor.required) for tensor in fields]
        tensor = _tensor(split(route.rows)[0], None, [-1, len(elements)], {})
        tensor["x-guard-columns"] = [{"title": name, **each} for name, each in zip(route.columns, elements, strict=True)]
        return _object({"inputs": {"type": "array", "minItems": 1, "items": tensor}}, ["inputs"])
    tensors = []
    for name, field in route.inputs.items():
        of = field.items if field.type == "array" and field.items is not None else field
        element = value(of, exact=route.exact, null=not field.required or not of.required or field.nullable)
        tensors.append(_tensor(name, field.datatype, list(field.shape) if field.shape is not None else None, element))
    items: dict[str, Any] = (
        {"anyOf": tensors} if route.undeclared == "reject" else {"anyOf": [*tensors, {"type": "object"}]}
    )
    return _object({"inputs": {"type": "array", "minItems": 1, "items": items}}, ["inputs"])


def _tensor(name: str, datatype: str | None, shape: list[int] | None, element: dict[str, Any]) -> dict[str, Any]:
    schema = _object(
        {
            "name": {"const": name},
            "datatype": {"const": datatype} if datatype is not None else {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "data": {"type": "array", "x-guard-element": element} if element else {"type": "array"},
        },
        ["name", "datatype", "shape"],
    )
    if shape is not None:
        sizes = [{"type": "integer", "minimum": 0} if size == -1 else {"const": size} for size in shape]
        schema["properties"]["shape"] = {
            "type": "array", "prefixItems": sizes, "minItems": len(sizes), "maxItems": len(sizes), "x-guard-shape": shape,
        }  # fmt: skip
    return schema


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def answer(laid: ContractDescription) -> dict[str, Any]:
    """The body of an answer of declared outputs; what else a model says is the client's, too."""
    route = laid.contract
    if laid.tensors:
        outputs = [
            _tensor(name, field.datatype, None, value(field.items if field.items is not None else field, exact=True))
            for name, field in route.outputs.items()
        ]
        listed = {"type": "array", "items": {"anyOf": [*outputs, {"type": "object"}]}}
        return _object({"outputs": listed}, ["outputs"])
    places = [(split(field.at) if field.at is not None else [name], field) for name, field in route.outputs.items()]
    rules = route.fallback.rules is not None
    return _placed(
        [(steps, value(field, exact=True, null=_is_optional(field, rules=rules)), field) for steps, field in places]
    )


def _is_optional(field: OutputField, *, rules: bool) -> bool:
    return not field.required or (field.from_ is not None and rules)


def _placed(outputs: list[tuple[list[str], dict[str, Any], OutputField]]) -> dict[str, Any]:
    """The nested values below one place."""
    if not outputs[0][0]:
        return outputs[0][1]
    steps: dict[str, list[tuple[list[str], dict[str, Any], OutputField]]] = {}
    for (first, *rest), schema, field in outputs:
        steps.setdefault(first, []).append((rest, schema, field))
    if "*" in steps:
        return {"type": "array", "items": _placed(steps["*"])}
    required = [name for name, below in steps.items() if any(field.required for _, _, field in below)]
    return _object({name: _placed(below) for name, below in steps.items()}, required)


# ── files and errors ──────────────────────────────────────────────────────────────────────────────────────────────────


def moved(schema: Any, name: str) -> Any:
    """A JSON Schema file as a component: its references, which never leave it, begin where it now stands."""
    if isinstance(schema, list):
        return [moved(item, name) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: item if key in _DATA else moved(item, name) for key, item in schema.items() if key != "$id"}
    for key in ("$ref", "$dynamicRef"):
        if isinstance(result.get(key), str) and result[key].partition("/")[0] == "#":
            result[key] = f"#/components/schemas/{name}{result[key][1:]}"
    return result


_DATA: Final = frozenset(("enum", "const", "default", "examples", "example"))


def inferred(*examples: Any) -> dict[str, Any]:
    """The schema of what guard itself writes, from what it writes."""
    kinds = list(dict.fromkeys(_KINDS[type(example)] for example in examples))
    schema: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
    objects = [example for example in examples if isinstance(example, dict)]
    if objects:
        names = list(dict.fromkeys(name for object_ in objects for name in object_))
        schema["properties"] = {
            name: inferred(*(object_[name] for object_ in objects if name in object_)) for name in names
        }
        schema["required"] = [name for name in names if all(name in object_ for object_ in objects)]
    items = [item for example in examples if isinstance(example, list) for item in example]
    if items:
        schema["items"] = inferred(*items)
    return schema


_KINDS: Final = {
    dict: "object", list: "array", str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null",
}  # fmt: skip
