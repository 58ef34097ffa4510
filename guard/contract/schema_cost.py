"""How often a JSON Schema looks at one place of a document, found out when the policy is read.

`anyOf` with two branches that both refer back to the schema looks twice at each place, four times one level below, and so
on: 114 bytes took 21 s. So a schema is refused whose looks at one place pass `MOST_LOOKS`, and so is a reference that leads
back to itself without going into the document. Recursion with one way down, such as a tree's children, looks once.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from guard.contract.fields import ContractInvalid
from guard.contract.patterns import steps
from guard.contract.schema_graph import REFERENCES, Graph, Schema

MOST_LOOKS: Final = 64

_ALL: Final = ("allOf", "anyOf", "oneOf")
_SAME: Final = ("not", "if", "then", "else")
_NAMED: Final = ("dependentSchemas", "dependencies")
_AGAIN: Final = ("unevaluatedProperties", "unevaluatedItems")
"""What needs to know what its neighbours looked at, and has them look again."""


def _beside(graph: Graph, schema: Schema) -> Iterator[Schema]:
    """The schemas that look at the same place as this one, by its doing."""
    for key in REFERENCES:
        yield from graph.targets(schema, key)
    for key in _ALL:
        if isinstance(schema.get(key), list):
            yield from (one for one in schema[key] if isinstance(one, Mapping))
    yield from (schema[key] for key in _SAME if isinstance(schema.get(key), Mapping))
    for key in _NAMED:
        if isinstance(schema.get(key), Mapping):
            yield from (one for one in schema[key].values() if isinstance(one, Mapping))


def _looking(graph: Graph, schema: Schema) -> list[Schema]:
    """Every schema that looks where this one does, each as often as it does. Raises ContractInvalid."""
    looking: list[Schema] = []
    todo: list[tuple[Schema, tuple[int, ...]]] = [(schema, ())]
    while todo:
        one, above = todo.pop()
        if id(one) in above:
            where = graph.at.get(id(one), "")
            raise ContractInvalid(f"#{where} refers back to itself without going into the document", ("schema",))
        looking.append(one)
        if len(looking) > MOST_LOOKS:
            raise ContractInvalid(_too_dear(graph.at.get(id(schema), "")), ("schema",))
        todo += [(beside, (*above, id(one))) for beside in _beside(graph, one)]
    return looking


def _too_dear(where: str) -> str:
    return (
        f"#{where} may be looked at more than {MOST_LOOKS} times for one place of a document; "
        "let one branch of anyOf, oneOf or allOf refer back, and no unevaluated… beside it"
    )


def looks(graph: Graph) -> int:
    """How often at most one place of a document is looked at. Raises ContractInvalid where that is too often."""
    if not isinstance(graph.root, Mapping):
        return 1
    _patterns(graph)
    ways = {id(one): _ways(_looking(graph, one)) for one in graph.schemas}
    own = {id(one): len(_looking(graph, one)) for one in graph.schemas}
    most = dict(own)
    for _ in range(MOST_LOOKS * 2):
        changed = False
        for one in graph.schemas:
            found = max((sum(most.get(id(way), 1) for way in group) for group in ways[id(one)]), default=0)
            if found > most[id(one)]:
                most[id(one)] = found
                changed = True
                if found > MOST_LOOKS:
                    raise ContractInvalid(_too_dear(graph.at[id(one)]), ("schema",))
        if not changed:
            break
    return most[id(graph.root)]


def _ways(looking: list[Schema]) -> list[list[Schema]]:
    """For each kind of place below: every schema that looks there, as often as it does."""
    again = 2 if any(key in one for one in looking for key in _AGAIN) else 1
    names = {name for one in looking for name in _mapping(one, "properties")}
    groups = [[way for one in looking for way in _of_name(one, name)] for name in names]
    groups.append([way for one in looking for way in _of_name(one, None)])
    groups.append([way for one in looking for way in _of_item(one)])
    groups.append([one["propertyNames"] for one in looking if isinstance(one.get("propertyNames"), Mapping)])
    return [group * again for group in groups if group]


def _mapping(schema: Schema, key: str) -> Mapping[str, Any]:
    found = schema.get(key)
    return found if isinstance(found, Mapping) else {}


def _of_name(schema: Schema, name: str | None) -> Iterator[Schema]:
    """What looks at a member of this name; None: of any other."""
    properties = _mapping(schema, "properties")
    if name is not None and isinstance(properties.get(name), Mapping):
        yield properties[name]
    yield from (one for one in _mapping(schema, "patternProperties").values() if isinstance(one, Mapping))
    for key in ("additionalProperties", "unevaluatedProperties"):
        if name not in properties and isinstance(schema.get(key), Mapping):
            yield schema[key]


def _of_item(schema: Schema) -> Iterator[Schema]:
    """What looks at an item. Which of those that count looks is not known, so all do."""
    for key in ("items", "prefixItems"):
        found = schema.get(key)
        if isinstance(found, Mapping):
            yield found
        elif isinstance(found, list):
            yield from [one for one in found if isinstance(one, Mapping)][:1]
    yield from (
        schema[key] for key in ("contains", "additionalItems", "unevaluatedItems") if isinstance(schema.get(key), Mapping)
    )


def _patterns(graph: Graph) -> None:
    """No pattern may cost more than its text: nothing bounds how many texts it is run on."""
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
