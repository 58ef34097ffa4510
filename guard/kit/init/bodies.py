"""Places of instances and outputs in JSON bodies: the rows, columns and fields that a schema describes."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from guard.contract.fields import join
from guard.kit.init.draft import Field
from guard.kit.init.schemas import Schemas, Unmapped
from guard.kit.init.server import listed, mapping
from guard.kit.init.words import line, nameable

MOST_FIELDS: Final = 1000
MOST_COLUMNS: Final = 1000


class Body(NamedTuple):
    """The declarations for a body."""

    fields: Mapping[str, Field] = {}
    settings: Mapping[str, Any] = {}
    reasons: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()


def request(schemas: Schemas, schema: Any, where: str, *, spoken: bool = False) -> Body:
    """The body of a request. `spoken`: a dialect says itself where the instances stand."""
    try:
        resolved = schemas.plain(schema)
        if _is_list(resolved):
            return _rows(schemas, resolved, "", where, "the body is a list")
        properties = mapping(resolved.get("properties"))
        lists = [name for name in properties if _is_list(_quietly(schemas, properties[name])) and nameable(name)]
        rows = "instances" if "instances" in lists else lists[0] if len(properties) == 1 and lists else None
        if rows is not None:
            body = _rows(
                schemas, schemas.plain(properties[rows]), "" if spoken else join((rows,)), where, f"{rows} is a list"
            )
            if body.fields:
                return _beside(body, [name for name in properties if name != rows], spoken=spoken)
        if not properties:
            return Body(notes=(f"Nothing declared of the request: {where} names no members.",))
    except Unmapped as error:
        return Body(notes=(f"Nothing declared of the request: {error}.",))
    return _instance(schemas, resolved, where)


def _is_list(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "array" or (schema.get("type") is None and ("items" in schema or "prefixItems" in schema))


def _quietly(schemas: Schemas, schema: Any) -> dict[str, Any]:
    try:
        return schemas.plain(schema)
    except Unmapped:
        return {}


def _beside(body: Body, names: list[str], *, spoken: bool) -> Body:
    """Rows, with members beside them that only a dialect knows."""
    settings, reasons = dict(body.settings), dict(body.reasons)
    if spoken:
        settings.pop("rows", None)
    if names:
        settings["undeclared"] = "pass"
        reasons["undeclared"] = "members beside the rows: " + ", ".join(line(name, 30) for name in names[:5])
    return body._replace(settings=settings, reasons=reasons)


def _rows(schemas: Schemas, schema: dict[str, Any], at: str, where: str, why: str) -> Body:
    """A list of instances: objects, or positional. Nothing where it is neither."""
    positions = _positions(schemas, schema)
    if positions and at == "":  # the body is one row, each value of its own
        fields, columns, notes = _columns(schemas, positions, where)
        return Body(fields, {"columns": columns}, {"columns": f"{why} of {len(columns)} positions"}, notes)
    items = _quietly(schemas, schema.get("items", {}))
    if positions := _positions(schemas, items):
        fields, columns, notes = _columns(schemas, positions, where)
        reasons = {"rows": f"{why} of lists", "columns": "named by position where the document has no title"}
        return Body(fields, {"rows": at, "columns": columns}, reasons, notes)
    if mapping(items.get("properties")):
        body = _instance(schemas, items, where)
        if body.fields:
            return body._replace(
                settings={"rows": at, **body.settings}, reasons={"rows": f"{why} of objects", **body.reasons}
            )
    if at == "":
        return Body(notes=(f"Nothing declared of the request: {why}, its items have no names: give them, with `columns`.",))
    return Body()


def _positions(schemas: Schemas, schema: Mapping[str, Any]) -> list[Any]:
    """The schemas of a list of known length, one for each position."""
    if not _is_list(schema):
        return []
    prefix = listed(schema.get("prefixItems"))
    least, most = schema.get("minItems"), schema.get("maxItems")
    if prefix:
        return prefix[:MOST_COLUMNS] if least == most == len(prefix) else []
    kind = _quietly(schemas, schema.get("items", {})).get("type")
    if (
        type(least) is int
        and least == most
        and 0 < least <= MOST_COLUMNS
        and kind in ("number", "integer", "string", "boolean")
    ):
        return [schema["items"]] * least
    return []


def _columns(schemas: Schemas, positions: list[Any], where: str) -> tuple[dict[str, Field], list[str], tuple[str, ...]]:
    """Fields of positions. All of them or none: a column that is not declared has no place."""
    fields: dict[str, Field] = {}
    for index, schema in enumerate(positions):
        title = _quietly(schemas, schema).get("title")
        name = title if nameable(title) and title not in fields else f"column_{index}"
        field = schemas.field(schema, f"from {where}, position {index}")
        fields[str(name)] = Field({key: value for key, value in field.shape.items() if key != "default"}, field.source)
    return fields, list(fields), ()


def _instance(schemas: Schemas, resolved: dict[str, Any], where: str) -> Body:
    """An object: a field for each member."""
    properties, required = mapping(resolved.get("properties")), listed(resolved.get("required"))
    fields: dict[str, Field] = {}
    notes: list[str] = []
    for name, schema in list(properties.items())[:MOST_FIELDS]:
        if _quietly(schemas, schema).get("readOnly") is True:
            continue
        try:
            if not nameable(name):
                raise Unmapped("its name")
            fields[name] = schemas.field(schema, f"from {where}", required=name in required)
        except Unmapped as error:
            notes.append(f"Not declared: {line(name, 60)}: {error}.")
    if len(properties) > MOST_FIELDS:
        notes.append(f"Not declared: {len(properties) - MOST_FIELDS} more members.")
    if notes or resolved.get("additionalProperties") is not False:
        why = (
            "a member is not declared, see above"
            if notes
            else "the document does not forbid others; `strip` keeps them out"
        )
        return Body(fields, {"undeclared": "pass"}, {"undeclared": why}, tuple(notes))
    return Body(fields, {"undeclared": "reject"}, {"undeclared": "additionalProperties: false"}, ())


def answer(schemas: Schemas, schema: Any, where: str, *, rows: bool) -> Body:
    """The body of an answer. `rows`: a pointer is needed even where a name is enough."""
    notes: list[str] = []
    try:
        resolved = schemas.plain(schema)
        fields = dict(_outputs(schemas, resolved, where, notes, rows=rows))
    except Unmapped as error:
        return Body(notes=(f"Nothing declared of the answer: {error}.",))
    if not fields and not notes:
        notes.append(f"Nothing declared of the answer: {where} names no members.")
    return Body(fields, notes=tuple(notes))


def _outputs(
    schemas: Schemas, resolved: dict[str, Any], where: str, notes: list[str], *, rows: bool
) -> Iterator[tuple[str, Field]]:
    if _is_list(resolved):
        yield from _every(schemas, resolved, "", "output", where, notes)
        return
    properties, required = mapping(resolved.get("properties")), listed(resolved.get("required"))
    if not properties:
        if resolved.get("type") in ("string", "integer", "number", "boolean") or "enum" in resolved:
            output = schemas.field(resolved, f"from {where}, the whole answer")
            yield "output", Field({"at": "", **output.shape}, output.source)
        return
    lists = [name for name in properties if _is_list(_quietly(schemas, properties[name])) and nameable(name)]
    list_name = "predictions" if "predictions" in lists else lists[0] if rows and len(properties) == 1 and lists else None
    used: set[str] = set()
    if list_name is not None:
        for name, field in _every(
            schemas, schemas.plain(properties[list_name]), join((list_name,)), list_name, where, notes
        ):
            used.add(name)
            yield name, field
    for name, schema in list(properties.items())[:MOST_FIELDS]:
        if name == list_name:
            continue
        try:
            if not nameable(name) or name in used:
                raise Unmapped("its name")
            output = schemas.field(schema, f"from {where}", required=name in required)
        except Unmapped as error:
            notes.append(f"Not declared: {line(name, 60)} of the answer: {error}.")
            continue
        yield name, Field({"at": join((name,)), **output.shape} if rows else output.shape, output.source)


def _every(
    schemas: Schemas, resolved: dict[str, Any], at: str, name: str, where: str, notes: list[str]
) -> Iterator[tuple[str, Field]]:
    """The outputs of each element of a list."""
    items = _quietly(schemas, resolved.get("items", {}))
    properties, required = mapping(items.get("properties")), listed(items.get("required"))
    try:
        if not properties and "items" in resolved:
            field = schemas.field(resolved["items"], f"from {where}, each element")
            yield name, Field({"at": f"{at}/*", **field.shape}, field.source)
    except Unmapped as error:
        notes.append(f"Not declared: the elements of {line(name, 40)} of the answer: {error}.")
    for below, schema in list(properties.items())[:MOST_FIELDS]:
        try:
            if not nameable(below):
                raise Unmapped("its name")
            field = schemas.field(schema, f"from {where}, each element", required=below in required)
        except Unmapped as error:
            notes.append(f"Not declared: {line(below, 60)} of the answer: {error}.")
            continue
        yield below, Field({"at": f"{at}/*{join((below,))}", **field.shape}, field.source)
