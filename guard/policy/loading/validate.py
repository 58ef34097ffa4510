"""Step 4: a tree → the typed, frozen model, and the JSON Schema files that it names; or every mistake at its place.

What is right is said by the models. Pydantic finds what is wrong with one value; `policy_model.py` says how the models
report what is wrong between values.
"""

import re
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from guard.contract.strict import Unreadable, parse_file
from guard.policy.document import MAX_BYTES, Text, Tree, find
from guard.policy.errors import PolicyError, PolicyInvalid, listed, nearest, shown
from guard.policy.fields import SchemaFile
from guard.policy.loading.read import Files
from guard.policy.models import Policy
from guard.policy.policy_model import PolicyModel
from guard.proxy.values import UnreadableCode

_Model = TypeVar("_Model", bound=PolicyModel)


def validate(tree: Tree, model: type[_Model]) -> _Model:
    """The tree as a model. Raises PolicyInvalid with everything that is wrong."""
    errors: list[PolicyError] = []
    try:
        value = model.model_validate(tree, context=errors)
    except ValidationError as invalid:
        details = invalid.errors(include_url=False)
        raise PolicyInvalid([*errors, *(_translate(detail, tree) for detail in details if not _is_echo(detail))]) from None
    if errors:
        raise PolicyInvalid(errors)
    return value


def _is_echo(detail: ErrorDetails) -> bool:
    """Pydantic also calls a list too short whose items could not be read."""
    got = detail["input"]
    return detail["type"] == "too_short" and isinstance(got, Sized) and len(got) > 0


def _translate(detail: ErrorDetails, tree: Tree) -> PolicyError:
    """Pydantic's error in our words, at its place in the file."""
    path = tuple(part for part in detail["loc"] if not (isinstance(part, str) and part[:1] in "‹[" and part[-1:] in "›]"))
    context, got = detail.get("ctx", {}), detail["input"]
    place = find(tree, path)[0] or tree.place
    match detail["type"]:
        case "missing":
            path, words = path[:-1], (f"the key {shown(str(path[-1]))} is missing", "", "")
        case "misread":
            words = context["message"], context["expected"], ""
        case "literal_error":
            words = _unknown_word(got, re.findall(r"'([^']*)'", context["expected"]))
        case "too_short":
            words = "empty", "at least one", ""
        case "too_long":
            words = f"{context['actual_length']} of them", f"at most {context['max_length']}", ""
        case kind:
            expected = {"tuple_type": "a list", "dict_type": "a mapping", "model_type": "a mapping"}.get(kind)
            words = (_kind(got), expected, "") if expected else (f"not readable ({kind})", "", "")
    return PolicyError(place, path, *words)


def _unknown_word(got: object, words: list[str]) -> tuple[str, str, str]:
    if isinstance(got, str) and not (isinstance(got, Text) and got.null):
        return f"unknown word {shown(got)}", f"one of {listed(words)}", nearest(got, words)
    return _kind(got), f"one of {listed(words)}", ""


def _kind(got: object) -> str:
    match got:
        case Text() if got.null:
            return "no value"
        case str():
            return f"{shown(got)} is one value"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def validate_schemas(policy: Policy, tree: Tree, files: Files) -> dict[Path, bytes]:
    """The JSON Schema files that the policy names, by path. The contract judges what they mean. Raises PolicyInvalid."""
    schemas: dict[Path, bytes] = {}
    errors: list[PolicyError] = []
    for key, route in policy.routes.items():
        for side in ("input", "output"):
            declared = getattr(route, side, None)
            if not isinstance(declared, SchemaFile):
                continue
            path = declared.schema_.path
            pointer = ("routes", key, side, "schema")
            place = find(tree, pointer)[0] or tree.place
            try:
                schemas[path] = raw = files.read(path, place, pointer)
            except PolicyInvalid as unreadable:
                errors += unreadable.errors
                continue
            if why := _no_schema(path, raw):
                errors.append(PolicyError(place, pointer, why))
    if errors:
        raise PolicyInvalid(errors)
    return schemas


UNREADABLE: Final[Mapping[UnreadableCode, str]] = {
    "json_duplicate": "has a name twice in one object, of which readers take different ones",
    "json_bom": "begins with a byte order mark, which JSON does not have",
    "json_encoding": "is not UTF-8",
    "json_surrogate": "has half of a surrogate pair in a text",
    "json_number": "has a number that JSON or a double does not hold",
    "json_depth": "is nested too deep",
}
"""Faults of a JSON file by the reader's code; with any other code the file is not JSON at all."""


def _no_schema(path: Path, raw: bytes) -> str:
    """The reason why the content of a file is no JSON Schema; empty if it may be one."""
    if len(raw) > MAX_BYTES:
        return "a schema file has at most 1 MiB"
    try:
        return "" if isinstance(parse_file(raw), dict | bool) else f"{path} is not a JSON Schema"
    except Unreadable as error:
        return f"{path} {UNREADABLE.get(error.code, 'is not JSON')}"
