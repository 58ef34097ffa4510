"""The schemas of a JSON Schema file and their references. A file refers to nothing outside of itself.

Subschemas are found by the keywords of the file's draft, so that data (`const`, `examples`) is never taken for a schema.
A reference is resolved as RFC 3986 and the draft say: `$id` changes the base, `$anchor` and `#/a/b` name places below it.
The target of such a reference is a schema too, even below a keyword that the draft does not know.
A reference that does not resolve here is refused: nothing is read from a URL, another file or a known meta-schema.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from guard.contract.fields import ContractInvalid, join
from guard.contract.schema_drafts import HOLDERS, META_SCHEMAS, NEWEST, Draft, draft_of

MOST_SCHEMAS: Final = 20_000
MOST_SHOWN: Final = 200
"""Most characters of a reference that an error shows."""

ROOT: Final = "json-schema:///"
"""Base URI of a file without an `$id`, as jsonschema-rs has it."""

REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")

Schema = Mapping[str, Any]
_Path = tuple[str | int, ...]
_URI: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
"""The parts of a URI: scheme, authority, path, query, fragment (RFC 3986, appendix B)."""


class Graph:
    """The schemas of a file, by identity: a schema with several references is one schema. Raises ContractInvalid."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.draft = _draft(root)
        self.at: dict[int, str] = {}
        self.schemas: list[Schema] = []
        self._bases: dict[int, str] = {}
        self._resources: dict[str, Any] = {}
        self._anchors: dict[str, Schema] = {}
        self._dynamic: dict[str, list[Schema]] = {}
        self._targets: dict[tuple[int, str], list[Schema]] = {}
        self._root_base = ROOT
        self._enter(root, (), ROOT)
        self._root_base = self._bases.get(id(root), ROOT)
        self._resources.setdefault(self._root_base, root)
        number = 0
        while number < len(self.schemas):  # a reference may add a schema that no keyword holds
            self._refer(self.schemas[number])
            number += 1

    def targets(self, schema: Schema, key: str) -> list[Schema]:
        """The possible targets of a reference: one schema, several for a `$dynamicRef`, none for true and false."""
        return self._targets.get((id(schema), key), [])

    def _enter(self, value: Any, path: _Path, base: str) -> None:
        """Add a schema and all schemas in it."""
        todo: list[tuple[Any, _Path, str]] = [(value, path, base)]
        while todo:
            schema, where, base = todo.pop()
            if not isinstance(schema, Mapping) or id(schema) in self.at:
                continue
            self.at[id(schema)] = join(tuple(str(part) for part in where))
            self.schemas.append(schema)
            if len(self.schemas) > MOST_SCHEMAS:
                raise ContractInvalid(f"the schema has more than {MOST_SCHEMAS} parts", ("schema",))
            base = self._identified(schema, base)
            todo += [(below, (*where, *way), base) for way, below in _held(self.draft, schema)]

    def _identified(self, schema: Schema, base: str) -> str:
        """The base URI below a schema, whose `$id` and anchors are recorded. Raises ContractInvalid."""
        if schema is not self.root and "$schema" in schema and _draft(schema) != self.draft:
            raise ContractInvalid(
                f"$schema at #{self.at[id(schema)]} is not the file's, draft {self.draft}: a file is of one draft",
                ("schema",),
            )
        old = self.draft in ("4", "6", "7")
        name = schema.get("id" if self.draft == "4" else "$id")
        if isinstance(name, str) and not (old and isinstance(schema.get("$ref"), str)):
            uri, _, fragment = resolve(base, name).partition("#")
            if old and name.startswith("#"):
                self._anchors[f"{base}#{fragment}"] = schema
            else:
                if self._resources.setdefault(uri, schema) is not schema:
                    raise ContractInvalid(f"two schemas of the file have the $id {_short(name)}", ("schema",))
                base = uri
        self._bases[id(schema)] = base
        for key in () if old else ("$anchor", "$dynamicAnchor"):
            if isinstance(anchor := schema.get(key), str):
                self._anchors[f"{base}#{anchor}"] = schema
                if key == "$dynamicAnchor":
                    self._dynamic.setdefault(anchor, []).append(schema)
        if schema.get("$recursiveAnchor") is True:
            self._dynamic.setdefault("", []).append(schema)
        return base

    def _refer(self, schema: Schema) -> None:
        for key in REFERENCES:
            if isinstance(reference := schema.get(key), str):
                initial = self._resolved(schema, key, reference)
                if isinstance(initial, Mapping):
                    self._targets[id(schema), key] = self._chosen(initial, key, reference)

    def _chosen(self, initial: Schema, key: str, reference: str) -> list[Schema]:
        """The schemas that a reference may choose while validating: the file's outermost one, or every candidate."""
        if key == "$recursiveRef" and initial.get("$recursiveAnchor") is True:
            return self._dynamic[""]
        name = reference.partition("#")[2]
        if key == "$dynamicRef" and name and initial.get("$dynamicAnchor") == name:
            of_file = self._anchors.get(f"{self._root_base}#{name}")
            outermost = of_file is not None and of_file.get("$dynamicAnchor") == name
            return [of_file] if of_file is not None and outermost else self._dynamic[name]
        return [initial]

    def _resolved(self, schema: Schema, key: str, reference: str) -> Any:
        uri, _, fragment = resolve(self._bases[id(schema)], reference).partition("#")
        wrong = f"{key} at #{self.at[id(schema)]} refers to {_short(reference)}, which "
        if uri not in self._resources:
            raise ContractInvalid(
                f"{wrong}leaves the file: nothing is ever fetched; put that schema into $defs, under its $id", ("schema",)
            )
        resource = self._resources[uri]
        if not fragment:
            return resource
        if not fragment.startswith("/"):
            if (anchored := self._anchors.get(f"{uri}#{fragment}")) is None:
                raise ContractInvalid(f"{wrong}no schema of the file has as its anchor", ("schema",))
            return anchored
        value, base = resource, uri
        tokens = [_unescaped(unquote(part)) for part in fragment[1:].split("/")]
        for token in tokens:
            value = _member(value, token)
            if value is None:
                raise ContractInvalid(f"{wrong}is not in the file", ("schema",))
            base = self._bases.get(id(value), base)
        above = [_unescaped(part) for part in self.at[id(resource)].split("/")[1:]]
        self._enter(value, (*above, *tokens), base)
        return value


def _unescaped(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _member(value: Any, token: str) -> Any:
    if isinstance(value, list):
        return value[int(token)] if token.isascii() and token.isdigit() and int(token) < len(value) else None
    return value.get(token) if isinstance(value, Mapping) else None


def _draft(schema: Any) -> Draft:
    named = schema.get("$schema") if isinstance(schema, Mapping) else None
    if named is None:
        return NEWEST
    draft = draft_of(named) if isinstance(named, str) else None
    if draft is None:
        known = ", ".join(META_SCHEMAS)
        raise ContractInvalid(
            f"unknown $schema {_short(str(named))}: nothing is fetched; write one of {known}", ("schema",)
        )
    return draft


def _held(draft: Draft, schema: Schema) -> Iterator[tuple[_Path, Any]]:
    """The schemas that a schema holds, each with its path from it."""
    for key, shapes in HOLDERS[draft].items():
        held = schema.get(key)
        if isinstance(held, list):
            if "list" in shapes:
                yield from (((key, index), below) for index, below in enumerate(held))
        elif isinstance(held, Mapping):
            if "map" in shapes:
                yield from (((key, str(name)), below) for name, below in held.items())
            elif "schema" in shapes:
                yield (key,), held


def resolve(base: str, reference: str) -> str:
    """The URI of a reference relative to its base, with its fragment (RFC 3986 §5.2)."""
    scheme, authority, path, query, fragment = _parts(reference)
    if scheme is None:
        scheme, base_authority, base_path, base_query, _ = _parts(base)
        if authority is None:
            authority = base_authority
            if not path:
                path, query = base_path, base_query if query is None else query
            elif not path.startswith("/"):
                path = base_path[: base_path.rfind("/") + 1] + path
    uri = "" if scheme is None else f"{scheme.lower()}:"
    uri += "" if authority is None else f"//{authority}"
    uri += _without_dots(path) if authority is not None or path.startswith("/") else path
    uri += "" if query is None else f"?{query}"
    return uri if fragment is None else f"{uri}#{fragment}"


def _parts(uri: str) -> tuple[str | None, str | None, str, str | None, str | None]:
    match = _URI.fullmatch(uri)
    assert match is not None  # every text is one
    return match[1], match[2], match[3], match[4], match[5]


def _without_dots(path: str) -> str:
    segments: list[str] = []
    parts = path.split("/")
    for index, part in enumerate(parts):
        if part == "..":
            segments = segments[:-1] if len(segments) > 1 else segments
        elif part != ".":
            segments.append(part)
        if part in (".", "..") and index == len(parts) - 1:
            segments.append("")
    return "/".join(segments)


def _short(text: str) -> str:
    return repr(text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…")
