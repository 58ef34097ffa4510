"""The drafts of JSON Schema that a schema file may use, and the schemas that each keyword holds.

A keyword is data (`const`), an annotation (`title`), an assertion (`minimum`), or holds schemas (`properties`). Only the
last kind is searched for schemas: the value of `const`, `enum`, `default` or `examples` is data, whatever its names are.
Sources: the meta-schemas of drafts 4, 6, 7, 2019-09 and 2020-12.
"""

import difflib
from collections.abc import Mapping
from typing import Any, Final, Literal

Draft = Literal["4", "6", "7", "2019-09", "2020-12"]
Shape = Literal["schema", "list", "map"]
"""The form in which a keyword holds schemas. A value of another form holds none: `items` and `dependencies` have two."""

NEWEST: Final[Draft] = "2020-12"
"""The draft of a file without `$schema`."""

META_SCHEMAS: Final[Mapping[str, Draft]] = {
    "http://json-schema.org/draft-04/schema": "4",
    "http://json-schema.org/draft-06/schema": "6",
    "http://json-schema.org/draft-07/schema": "7",
    "https://json-schema.org/draft/2019-09/schema": "2019-09",
    "https://json-schema.org/draft/2020-12/schema": "2020-12",
}
"""The draft of each `$schema`, written without its empty fragment."""

_ORDER: Final[tuple[Draft, ...]] = ("4", "6", "7", "2019-09", "2020-12")

_HOLDERS: Final[tuple[tuple[str, Draft, Draft, tuple[Shape, ...]], ...]] = (
    ("additionalItems", "4", "2019-09", ("schema",)),
    ("additionalProperties", "4", "2020-12", ("schema",)),
    ("allOf", "4", "2020-12", ("list",)),
    ("anyOf", "4", "2020-12", ("list",)),
    ("oneOf", "4", "2020-12", ("list",)),
    ("not", "4", "2020-12", ("schema",)),
    ("definitions", "4", "2020-12", ("map",)),
    ("dependencies", "4", "2020-12", ("map",)),
    ("items", "4", "2019-09", ("schema", "list")),
    ("items", "2020-12", "2020-12", ("schema",)),
    ("patternProperties", "4", "2020-12", ("map",)),
    ("properties", "4", "2020-12", ("map",)),
    ("contains", "6", "2020-12", ("schema",)),
    ("propertyNames", "6", "2020-12", ("schema",)),
    ("if", "7", "2020-12", ("schema",)),
    ("then", "7", "2020-12", ("schema",)),
    ("else", "7", "2020-12", ("schema",)),
    ("$defs", "2019-09", "2020-12", ("map",)),
    ("contentSchema", "2019-09", "2020-12", ("schema",)),
    ("dependentSchemas", "2019-09", "2020-12", ("map",)),
    ("unevaluatedItems", "2019-09", "2020-12", ("schema",)),
    ("unevaluatedProperties", "2019-09", "2020-12", ("schema",)),
    ("prefixItems", "2020-12", "2020-12", ("list",)),
)
"""Keywords that hold schemas: keyword, first draft, last draft, forms."""

_OTHERS: Final[tuple[tuple[str, Draft, Draft], ...]] = (
    *(
        (word, "4", "2020-12")
        for word in [
            "$schema",
            "$ref",
            "default",
            "description",
            "enum",
            "exclusiveMaximum",
            "exclusiveMinimum",
            "format",
            "maxItems",
            "maxLength",
            "maxProperties",
            "maximum",
            "minItems",
            "minLength",
            "minProperties",
            "minimum",
            "multipleOf",
            "pattern",
            "required",
            "title",
            "type",
            "uniqueItems",
        ]
    ),
    ("id", "4", "4"),
    *((word, "6", "2020-12") for word in ("$id", "const", "examples")),
    *((word, "7", "2020-12") for word in ("$comment", "contentEncoding", "contentMediaType", "readOnly", "writeOnly")),
    *(
        (word, "2019-09", "2020-12")
        for word in ("$anchor", "$vocabulary", "dependentRequired", "deprecated", "maxContains", "minContains")
    ),
    *((word, "2019-09", "2019-09") for word in ("$recursiveAnchor", "$recursiveRef")),
    *((word, "2020-12", "2020-12") for word in ("$dynamicAnchor", "$dynamicRef")),
)

_ANNOTATIONS_ELSEWHERE: Final = frozenset(["discriminator", "example", "externalDocs", "xml"])
"""OpenAPI's annotations, which generators leave in schemas and which assert nothing."""


def _since(first: Draft, last: Draft) -> tuple[Draft, ...]:
    return _ORDER[_ORDER.index(first) : _ORDER.index(last) + 1]


HOLDERS: Final[Mapping[Draft, Mapping[str, tuple[Shape, ...]]]] = {
    draft: {word: shapes for word, first, last, shapes in _HOLDERS if draft in _since(first, last)} for draft in _ORDER
}
"""Keywords of each draft that hold schemas, with their forms."""

KEYWORDS: Final[Mapping[Draft, frozenset[str]]] = {
    draft: frozenset(HOLDERS[draft]) | {word for word, first, last in _OTHERS if draft in _since(first, last)}
    for draft in _ORDER
}
"""Every keyword of a draft."""

_FORMATS: Final[tuple[tuple[str, Draft], ...]] = (
    *(
        (word, "4")
        for word in ["date", "date-time", "email", "hostname", "idn-email", "ipv4", "ipv6", "regex", "time", "uri"]
    ),
    *((word, "6") for word in ["json-pointer", "uri-reference", "uri-template"]),
    *((word, "7") for word in ["idn-hostname", "iri", "iri-reference", "relative-json-pointer"]),
    *((word, "2019-09") for word in ["duration", "uuid"]),
)

FORMATS: Final[Mapping[Draft, frozenset[str]]] = {
    draft: frozenset(word for word, first in _FORMATS if draft in _since(first, NEWEST)) for draft in _ORDER
}
"""Formats that each draft asserts; any other is an annotation."""


def draft_of(meta_schema: str) -> Draft | None:
    """The draft that a `$schema` names; None if guard does not know it."""
    return META_SCHEMAS.get(meta_schema.removesuffix("#"))


def ignored(draft: Draft, schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keywords and formats of a schema that assert nothing although an author may expect it: keyword, what to do."""
    notes: list[tuple[str, str]] = []
    alone = draft in ("4", "6", "7") and isinstance(schema.get("$ref"), str)
    for word in schema:
        if word in KEYWORDS[draft]:
            if alone and word not in ("$ref", "$schema", "$id", "id", "$comment", "title", "description", "definitions"):
                notes.append((word, f"draft {draft} ignores it beside $ref: write both into allOf"))
        elif not word.startswith("x-") and word not in _ANNOTATIONS_ELSEWHERE:
            notes.append((word, _advice(draft, word)))
    name = schema.get("format")
    if isinstance(name, str) and name not in FORMATS[draft]:
        notes.append(("format", f"draft {draft} asserts no format of this name{_nearest(name, FORMATS[draft])}"))
    return notes


def _advice(draft: Draft, word: str) -> str:
    if word == "nullable":
        return 'a keyword of OpenAPI that JSON Schema ignores: write "type": [..., "null"]'
    if drafts := [other for other in _ORDER if word in KEYWORDS[other]]:
        return f"a keyword of draft {drafts[-1]} that draft {draft} ignores{_nearest(word, KEYWORDS[draft])}"
    return f"not a keyword, and ignored{_nearest(word, KEYWORDS[draft])}"


def _nearest(word: str, words: frozenset[str]) -> str:
    by_lower = {known.lower(): known for known in sorted(words)}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.7)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""
