"""Draft → YAML, as policies are written here: a line for each field, and where it is from at its end."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from guard.kit.init.draft import Draft, Field, Route
from guard.kit.init.words import flow, line, scalar

MOST_COMMENT: Final = 180
_HEAD: Final = """\
# A draft by `guard init`: read it and complete it. The model server at {upstream}
# is {server}.
# Guard enforces nothing yet: it counts violations and forwards every request unchanged. `max_body` and `timeout` do not
# come from the server; they are wide so that nothing breaks. Set them to what you measure. The server did not describe
# bounds, units, sensitivity or what to answer without the model (`fallback`): add them, then set `enforcement: enforce`.
"""
_SETTINGS: Final = ("rows", "columns", "content", "undeclared", "max_rows", "stream")


def write(draft: Draft) -> str:
    """The text. Nothing that a server said can leave its quotes or its comment."""
    return "".join(f"{item}\n" for item in _lines(draft))


def _lines(draft: Draft) -> Iterator[str]:
    result = draft.survey
    yield from _HEAD.format(upstream=line(draft.upstream), server=line(result.server, 200)).splitlines()
    yield from (f"# {line(note, MOST_COMMENT)}" for note in result.notes)
    yield "version: guard/v1"
    yield f"service: {scalar(result.service)}"
    if not result.probe and not draft.ca:
        yield f"upstream: {scalar(draft.upstream)}"
    else:
        yield "upstream:"
        yield f"  url: {scalar(draft.upstream)}"
        if result.probe:
            yield _commented(f"  probe: {scalar(result.probe)}", f"GET {result.probe} answered")
        if draft.ca:
            yield f"  tls: {{ca: {scalar(draft.ca)}}}"
    yield "routes:"
    for route in result.routes:
        yield from _route(route)
    for key, why in result.passed.items():
        yield _commented(f"  {_key(key)}: passthrough", why)


def _key(key: str) -> str:
    """Keys with braces or a colon in the path are quoted, as everywhere in policies."""
    return scalar(key) if "'" not in key and not any(item in key for item in "{}:") else f'"{key}"'


def _commented(text: str, comment: str) -> str:
    return f"{text}  # {line(comment, MOST_COMMENT)}"


def _route(route: Route) -> Iterator[str]:
    yield from (f"  # {line(note, MOST_COMMENT)}" for note in route.notes)
    yield f"  {_key(route.key)}:"
    yield _commented(f"    dialect: {route.dialect}", route.why)
    yield "    enforcement: observe"
    for name in _SETTINGS:
        if name in route.settings:
            setting = f"    {name}: {flow(route.settings[name])}"
            yield _commented(setting, route.reasons[name]) if name in route.reasons else setting
    yield from (f"    {name}: {flow(value)}" for name, value in route.limits.items())
    yield from _fields("input", route.inputs)
    yield from _fields("output", route.outputs)


def _fields(side: str, fields: Mapping[str, Field]) -> Iterator[str]:
    if fields:
        yield f"    {side}:"
    for name, field in fields.items():
        yield _commented(f"      {scalar(name)}: {flow(_ordered(field.shape))}", field.source)


_ORDER: Final = ("at", "type", "datatype", "shape", "enum", "min", "max", "min_length", "max_length", "pattern",
                 "min_items", "max_items", "required", "nullable", "default", "items", "fields", "description")  # fmt: skip


def _ordered(shape: Mapping[str, Any]) -> dict[str, Any]:
    """The keys in the order in which people read them."""
    ordered: dict[str, Any] = {}
    for key in _ORDER:
        if key not in shape:
            continue
        value = shape[key]
        if key == "items":
            value = _ordered(value)
        elif key == "fields":
            value = {name: _ordered(item) for name, item in value.items()}
        ordered[key] = value
    return ordered
