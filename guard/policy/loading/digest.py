"""Step 6: digests of a policy, and of parts of it, by what they mean.

A comment, another order of keys or a default that is written out changes none of them.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from guard.policy.fields import SchemaFile, Shape
from guard.policy.models import Policy, Release
from guard.policy.route import Input, Output, Route

_UNSAID: Final = {"description", "example", "log", "treatment", "fields", "items", "default", "at"}
"""Keys of a field that are no part of the contract (for people, for telemetry), and those that are written apart."""


def policy_digest(policy: Policy, schemas: Mapping[Path, bytes]) -> str:
    """`sha256:` and hex of everything that a policy and its schema files mean."""
    parts: list[object] = [policy.model_dump(by_alias=True, exclude={"extends", "routes"})]
    parts += [[key, route.model_dump(by_alias=True)] for key, route in sorted(policy.routes.items())]
    parts.append(sorted(hashlib.sha256(raw).hexdigest() for raw in schemas.values()))
    return _digest(*parts)


def release_digest(release: Release | None) -> str | None:
    """`sha256:` and hex: of a release in a file or inline, the same. None without a release."""
    return None if release is None else _digest(release.model_dump(exclude_defaults=True))


def contract_digest(policy: Policy, schemas: Mapping[Path, bytes]) -> str:
    """`sha256:` and hex of what the routes accept and return: where, which fields, and what each means.

    Rungs, limits and times are not part of it, nor what only people or telemetry read (`description`, `log`,
    `treatment`): a release keeps its contract when those change. Values at their default count as not written, so a
    later guard that knows more keys computes the same.
    """
    routes = sorted((key, route) for key, route in policy.routes.items() if isinstance(route, Route))
    return _digest(*([key, _route(route, schemas)] for key, route in routes))


def _route(route: Route, schemas: Mapping[Path, bytes]) -> dict[str, Any]:
    members = route.model_dump(
        by_alias=True, exclude_defaults=True, include={"dialect", "rows", "columns", "undeclared", "content", "stream"}
    )
    return {**members, "input": _side(route.input, schemas), "output": _side(route.output, schemas)}


def _side(side: Input | Output | None, schemas: Mapping[Path, bytes]) -> Any:
    if isinstance(side, SchemaFile):
        return hashlib.sha256(schemas[side.schema_.path]).hexdigest()
    return None if side is None else {name: _shape(field) for name, field in side.items()}


def _shape(shape: Shape) -> dict[str, Any]:
    members = shape.model_dump(by_alias=True, exclude_defaults=True, exclude=_UNSAID)
    if shape.has_default:
        members["default"] = shape.default
    if (at := getattr(shape, "at", None)) is not None:
        members["at"] = at
    if shape.items is not None:
        members["items"] = _shape(shape.items)
    if shape.fields is not None:
        members["fields"] = {name: _shape(field) for name, field in shape.fields.items()}
    return members


def _digest(*parts: object) -> str:
    """A digest of parts that are written one by one, and hashed at once.

    One call that writes hundreds of routes would stall the loop of a guard that reloads. A thread that lets go of the
    interpreter at each part is never asked to let go for longer.
    """
    lines = [json.dumps(part, sort_keys=True, separators=(",", ":")) for part in parts]
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
