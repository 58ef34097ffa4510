"""The number of times that a JSON Schema visits one place of a document, computed when the policy is read.

`anyOf` with two branches that both refer back to the schema visits each place twice, the places one level below four times,
and so on: 114 bytes took 21 s. So a schema is refused if it visits one place more than `MOST_VISITS` times, or if a
reference leads back to itself without going into the document. Recursion with one way down, such as a tree's children,
visits once.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from guard.contract.fields import ContractInvalid
from guard.contract.patterns import steps
from guard.contract.schema_graph import REFERENCES, Graph, Schema

MOST_VISITS: Final = 64

_ALL: Final = ("allOf", "anyOf", "oneOf")
_SAME: Final = ("not", "if", "then", "else")
_NAMED: Final = ("dependentSchemas", "dependencies")
_AGAIN: Final = ("unevaluatedProperties", "unevaluatedItems")
"""Keywords that depend on what their neighbours visited, and make them visit again."""


def _beside(graph: Graph, schema: Schema) -> Iterator[Schema]:
    """The schemas that this one applies to its own place."""
    for key in REFERENCES:
        yield from graph.targets(schema, key)
    for key in _ALL:
        if isinstance(schema.get(key), list):
            yield from (item for item in schema[key] if isinstance(item, Mapping))
    yield from (schema[key] for key in _SAME if isinstance(schema.get(key), Mapping))
    for key in _NAMED:
        if isinstance(schema.get(key), Mapping):
            yield from (item for item in schema[key].values() if isinstance(item, Mapping))


def _in_place(graph: Graph, schema: Schema) -> list[Schema]:
    """Every schema that visits the place of this one, repeated for each visit. Raises ContractInvalid."""
    looking: list[Schema] = []
    todo: list[tuple[Schema, tuple[int, ...]]] = [(schema, ())]
    while todo:
        one, above = todo.pop()
        if id(one) in above:
            where = graph.at.get(id(one), "")
            raise ContractInvalid(f"#{where} refers back to itself without going into the document", ("schema",))
        looking.append(one)
        if len(looking) > MOST_VISITS:
            raise ContractInvalid(_too_dear(graph.at.get(id(schema), "")), ("schema",))
        todo += [(beside, (*above, id(one))) for beside in _beside(graph, one)]
    return looking


def _too_dear(where: str) -> str:
    return (
        f"#{where} may be visited more than {MOST_VISITS} times at one place of a document; "
        "let one branch of anyOf, oneOf or allOf refer back, and no unevaluated… beside it"
    )


def most_visits(graph: Graph) -> int:
    """The most visits to one place of a document. Raises ContractInvalid above `MOST_VISITS`."""
    if not isinstance(graph.root, Mapping):
        return 1
    _patterns(graph)
    ways = {id(schema): _ways(_in_place(graph, schema)) for schema in graph.schemas}
    own = {id(schema): len(_in_place(graph, schema)) for schema in graph.schemas}
    most = dict(own)
    for _ in range(MOST_VISITS * 2):
        changed = False
        for schema in graph.schemas:
            visits = max((sum(most.get(id(way), 1) for way in group) for group in ways[id(schema)]), default=0)
            if visits > most[id(schema)]:
                most[id(schema)] = visits
                changed = True
                if visits > MOST_VISITS:
                    raise ContractInvalid(_too_dear(graph.at[id(schema)]), ("schema",))
        if not changed:
            break
    return most[id(graph.root)]


def _ways(looking: list[Schema]) -> list[list[Schema]]:
    """The schemas that visit each kind of place below, repeated for each visit."""
    again = 2 if any(key in schema for schema in looking for key in _AGAIN) else 1
    names = {name for schema in looking for name in _mapping(schema, "properties")}
    groups = [[way for schema in looking for way in _of_name(schema, name)] for name in names]
    groups.append([way for schema in looking for way in _of_name(schema, None)])
    groups.append([way for schema in looking for way in _of_item(schema)])
    groups.append([schema["propertyNames"] for schema in looking if isinstance(schema.get("propertyNames"), Mapping)])
    return [group * again for group in groups if group]


def _mapping(schema: Schema, key: str) -> Mapping[str, Any]:
    members = schema.get(key)
    return members if isinstance(members, Mapping) else {}


def _of_name(schema: Schema, name: str | None) -> Iterator[Schema]:
    """The schemas that visit a member of this name; None: a member of any other name."""
    properties = _mapping(schema, "properties")
    if name is not None and isinstance(properties.get(name), Mapping):
        yield properties[name]
    yield from (item for item in _mapping(schema, "patternProperties").values() if isinstance(item, Mapping))
    for key in ("additionalProperties", "unevaluatedProperties"):
        if name not in properties and isinstance(schema.get(key), Mapping):
            yield schema[key]


def _of_item(schema: Schema) -> Iterator[Schema]:
    """The schemas that visit an item. The schema that a positional keyword applies is unknown, so the first counts."""
    for key in ("items", "prefixItems"):
        schemas = schema.get(key)
        if isinstance(schemas, Mapping):
            yield schemas
        elif isinstance(schemas, list):
            yield from [item for item in schemas if isinstance(item, Mapping)][:1]
    yield from (
        schema[key] for key in ("contains", "additionalItems", "unevaluatedItems") if isinstance(schema.get(key), Mapping)
    )


def _patterns(graph: Graph) -> None:
    """Refuse a pattern that costs more than its text, because the number of texts is unbounded. Raises ContractInvalid."""
    for schema in graph.schemas:
        patterns = [schema.get("pattern"), *_mapping(schema, "patternProperties")]
        for pattern in patterns:
            if isinstance(pattern, str) and (cost := steps(pattern)):
                where = graph.at[id(schema)]
                raise ContractInvalid(
                    f"the pattern at #{where} may take {cost} steps for each character of a text; "
                    "begin it with ^, and repeat single characters only",
                    ("schema",),
                )
