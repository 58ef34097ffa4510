"""Removal of every declaration that guard's own loader and compiler reject, until they accept the draft.

They know best which pattern is linear, which bounds contradict each other, which two routes could match one request. Each
refusal takes away the key, field or route that it is about, and leaves a word in its place.
"""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from guard.dialects import DIALECTS
from guard.kit.init.draft import Draft, Field, Route
from guard.kit.init.text import write
from guard.kit.init.words import line
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.document import MAX_BYTES
from guard.policy.errors import PolicyError, PolicyInvalid
from guard.policy.loading import load
from guard.policy.routes import template, ties

ROUNDS: Final = 24
_NAME: Final = Path("draft")
_SIDES: Final = {"input": "inputs", "output": "outputs"}


class Unsettled(Exception):  # noqa: N818 — a word of the domain
    """No draft can be made that guard accepts; says why."""


def settle(draft: Draft) -> tuple[str, Draft]:
    """The text that guard serves as it is, and the draft that says it. Raises Unsettled."""
    draft = _untied(draft)
    for _ in range(ROUNDS):
        if not draft.survey.routes and not draft.survey.passed:
            raise Unsettled("guard rejects every route that it found")
        text = write(draft)
        if len(text.encode("utf-8", "replace")) > MAX_BYTES:
            draft = _smaller(draft)
            continue
        try:
            raw = text.encode()
            compile_plan(load(_NAME, environ={}, read=lambda _path: raw), CompileContext())  # noqa: B023 — called at once
        except PolicyInvalid as invalid:
            draft = _without(draft, invalid.errors)
            continue
        return text, draft
    raise Unsettled("guard cannot make a valid policy for this server; declare it by hand")


def _untied(draft: Draft) -> Draft:
    """The draft without routes that could match the same request as an earlier one."""
    result = draft.survey
    keys = [*(route.key for route in result.routes), *result.passed]
    tied = dict(ties({key: template(key) for key in dict.fromkeys(keys)}))
    notes = (f"not listed: {later}: it could match the same requests as {earlier}" for later, earlier in tied.items())
    return replace(
        draft,
        survey=replace(
            result,
            routes=tuple(route for route in result.routes if route.key not in tied),
            passed={key: why for key, why in result.passed.items() if key not in tied},
            notes=(*result.notes, *notes),
        ),
    )


def _smaller(draft: Draft) -> Draft:
    """The largest route without its contract. Raises Unsettled."""
    sizes = {route.key: len(str(route.inputs)) + len(str(route.outputs)) for route in draft.survey.routes}
    largest = max(sizes, key=lambda key: sizes[key])
    routes = tuple(
        route.bare("Nothing declared: the policy would be larger than 1 MiB.") if route.key == largest else route
        for route in draft.survey.routes
    )
    if sizes[largest] < 1024:
        raise Unsettled("a policy of all its routes is larger than 1 MiB")
    return replace(draft, survey=replace(draft.survey, routes=routes))


def _without(draft: Draft, errors: tuple[PolicyError, ...]) -> Draft:
    """The draft without what the errors are about. Raises Unsettled for an error about anything but a route."""
    routes = {route.key: route for route in draft.survey.routes}
    notes = list(draft.survey.notes)
    for error in errors:
        match error.path:
            case ("routes", str(key), *below) if key in routes:
                repaired = _repaired(routes[key], below, error)
                if repaired is None:
                    del routes[key]
                    notes.append(f"not listed: {key}: {error.message}")
                else:
                    routes[key] = repaired
            case _:
                raise Unsettled(f"guard rejects what it found: {line(error, 200)}")
    result = replace(draft.survey, routes=tuple(routes.values()), notes=tuple(notes))
    return replace(draft, survey=result)


def _repaired(route: Route, below: list[str | int], error: PolicyError) -> Route | None:
    """The route without the part at fault; None where that is the route itself."""
    match below:
        case ("input" | "output" as side, str(name), *rest):
            return _less(route, _SIDES[side], name, rest, error)
        case (str(), *_):
            return route.bare(f"Nothing declared: {line(error.message)}.") if route.inputs or route.outputs else None
    return None


def _less(route: Route, side: str, name: str, rest: list[str | int], error: PolicyError) -> Route | None:
    fields = dict(getattr(route, side))
    if name not in fields:
        return route if error.path else None  # another error of this round took it
    shape = copy.deepcopy(fields[name].shape)
    if _cut(shape, rest):
        path = ".".join(str(part) for part in rest)
        fields[name] = Field(shape, f"{fields[name].source}; without {line(path, 40)}: {line(error.message, 80)}")
        return _with(route, side, fields)
    del fields[name]
    changed = _with(route, side, fields).noted(f"Not declared: {line(name, 60)}: {line(error.message)}.")
    if name in changed.settings.get("columns", ()):
        return changed.bare("Nothing declared: one of the positions cannot be declared.")
    if side == "inputs" and not DIALECTS[changed.dialect].request_layout.words:
        changed = replace(changed, settings={**changed.settings, "undeclared": "pass"} if fields else _no_rows(changed))
    return changed


def _no_rows(route: Route) -> dict[str, Any]:
    return {name: value for name, value in route.settings.items() if name not in ("rows", "columns", "undeclared")}


def _with(route: Route, side: str, fields: dict[str, Field]) -> Route:
    return replace(route, inputs=fields) if side == "inputs" else replace(route, outputs=fields)


def _cut(shape: dict[str, Any], path: list[str | int]) -> bool:
    """Take away the deepest key of a shape that a path leads to; False where it is the shape itself."""
    if not path:
        return False
    key, *rest = path
    if key == "items" and "items" in shape:
        if not _cut(shape["items"], rest):
            del shape["items"]
        return True
    if key == "fields" and rest and rest[0] in shape.get("fields", {}):
        if not _cut(shape["fields"][rest[0]], rest[1:]):
            del shape["fields"][rest[0]]
        return True
    if key in shape and key != "type":
        del shape[key]
        return True
    return False
