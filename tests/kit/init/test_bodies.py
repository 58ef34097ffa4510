"""Where instances and outputs lie, told from a schema; and the routes that an OpenAPI document makes."""

from typing import Any

import pytest

from guard.kit.init import bodies
from guard.kit.init.draft import Wanted
from guard.kit.init.schemas import Schemas
from tests.kit.init.fake import drafted, found, said

ROW = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
NUMBER = {"type": "number"}


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def list_of(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def request(schema: Any, **how: Any) -> bodies.Body:
    return bodies.request(Schemas({}), schema, "here", **how)


@pytest.mark.parametrize(
    ("schema", "settings", "fields"),
    [
        (ROW, {"undeclared": "pass"}, ["age"]),
        ({**ROW, "additionalProperties": False}, {"undeclared": "reject"}, ["age"]),
        (object_of(instances=list_of(ROW)), {"rows": "/instances", "undeclared": "pass"}, ["age"]),
        (object_of(records=list_of(ROW)), {"rows": "/records", "undeclared": "pass"}, ["age"]),
        (object_of(instances=list_of(ROW), parameters=NUMBER), {"rows": "/instances", "undeclared": "pass"}, ["age"]),
        (object_of(a=list_of(ROW), b=NUMBER), {"undeclared": "pass"}, ["a", "b"]),
        (list_of(ROW), {"rows": "", "undeclared": "pass"}, ["age"]),
        (list_of(list_of(NUMBER, minItems=2, maxItems=2)), {"rows": "", "columns": ["column_0", "column_1"]}, ["column_0", "column_1"]),
        (
            object_of(instances=list_of({"type": "array", "prefixItems": [{"type": "integer", "title": "age"}, NUMBER], "minItems": 2, "maxItems": 2})),
            {"rows": "/instances", "columns": ["age", "column_1"]},
            ["age", "column_1"],
        ),
        ({"type": "array", "prefixItems": [NUMBER, NUMBER], "minItems": 2, "maxItems": 2}, {"columns": ["column_0", "column_1"]}, ["column_0", "column_1"]),
        (object_of(instances=list_of(NUMBER)), {"undeclared": "pass"}, ["instances"]),
        (object_of(instances=list_of(list_of(NUMBER))), {"undeclared": "pass"}, ["instances"]),
        (list_of(NUMBER), {}, []),
        ({"type": "object"}, {}, []),
        (NUMBER, {}, []),
        ({}, {}, []),
    ],
)  # fmt: skip
def test_where_instances_lie(schema: Any, settings: Any, fields: list[str]) -> None:
    body = request(schema)
    assert (body.settings, list(body.fields)) == (settings, fields)
    assert fields or body.notes


def test_a_dialect_says_itself_where_instances_stand() -> None:
    body = request(object_of(instances=list_of(ROW), parameters=NUMBER), spoken=True)
    assert (body.settings, list(body.fields)) == ({"undeclared": "pass"}, ["age"])


def test_what_is_not_declared_is_passed_and_said() -> None:
    body = request(object_of(age=NUMBER, anything={}))
    assert (list(body.fields), body.settings) == (["age"], {"undeclared": "pass"})
    assert body.notes == ("Not declared: anything: any value.",)


def test_what_only_the_server_writes_is_no_input() -> None:
    assert list(request(object_of(age=NUMBER, id={"type": "string", "readOnly": True})).fields) == ["age"]


@pytest.mark.parametrize(
    ("schema", "rows", "places"),
    [
        (object_of(label=NUMBER), False, {"label": None}),
        (object_of(label=NUMBER), True, {"label": "/label"}),
        (object_of(predictions=list_of(object_of(label=NUMBER)), took=NUMBER), True, {"label": "/predictions/*/label", "took": "/took"}),
        (object_of(predictions=list_of(NUMBER)), True, {"predictions": "/predictions/*"}),
        (object_of(scores=list_of(NUMBER)), True, {"scores": "/scores/*"}),
        (object_of(embedding=list_of(NUMBER)), False, {"embedding": None}),
        (list_of(object_of(label=NUMBER)), False, {"label": "/*/label"}),
        (list_of(NUMBER), False, {"output": "/*"}),
        (NUMBER, False, {"output": ""}),
        ({"type": "object"}, False, {}),
        ({}, False, {}),
    ],
)  # fmt: skip
def test_where_outputs_lie(schema: Any, rows: bool, places: dict[str, Any]) -> None:
    body = bodies.answer(Schemas({}), schema, "here", rows=rows)
    assert {name: field.shape.get("at") for name, field in body.fields.items()} == places
    assert places or body.notes


def operation(schema: Any, kind: str = "application/json", **more: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {kind: {"schema": schema}}, "required": True, **more}, "responses": {}}


def documented(paths: dict[str, Any], **more: Any) -> Any:
    return said({"GET /openapi.json": {"openapi": "3.1.0", "info": {"title": "t"}, "paths": paths, **more}})


def test_operations_become_routes_or_are_named() -> None:
    server = documented(
        {
            "/predict": {"post": operation(ROW), "get": {}},
            "/health": {"get": {"summary": "h"}},
            "/models/{model-name}/score": {"post": operation(ROW)},
            "/{a}-{b}/x": {"post": operation(ROW)},
            "/upload": {"post": operation({}, "image/png")},
            "/odd": {"post": {"requestBody": {"content": {"application/json": {}, "text/csv": {}}, "required": True}}},
            "/any": {"post": operation({}, "*/*")},
            "/start": {"post": {"responses": {}}},
            "/maybe": {"post": operation({"type": "object", "properties": {"a": NUMBER}}, required=False)},
            "/events": {"post": {**operation(ROW), "responses": {"200": {"content": {"text/event-stream": {}}}}}},
            "/items/{id}": {"delete": {"summary": "d"}, "put": operation(ROW)},
            "/model/reload": {"post": operation(ROW)},
            "/v2/repository/models/x/load": {"post": operation(ROW)},
            "/metrics": {"get": {"summary": "m"}},
            "/ref": {"post": {"requestBody": {"$ref": "#/bodies/b"}, "responses": {"200": {"$ref": "#/answers/a"}}}},
        },
        bodies={"b": {"content": {"application/json": {"schema": ROW}}, "required": True}},
        answers={"a": {"content": {"application/json": {"schema": object_of(label=NUMBER)}}}},
    )
    it = found(server)
    routes = {route.key: route for route in it.routes}
    assert list(routes) == [
        "POST /predict", "POST /models/{part_0}/score", "POST /upload", "POST /maybe", "POST /events", "POST /ref",
    ]  # fmt: skip
    assert routes["POST /upload"].settings == {"content": ["image/png"]}
    assert routes["POST /events"].settings["stream"] is True
    assert not routes["POST /maybe"].inputs
    assert list(routes["POST /ref"].outputs) == ["label"]
    assert set(it.passed) == {"GET /openapi.json", "GET /health", "POST /odd", "POST /any", "POST /start"}
    notes = " ".join(it.notes)
    for key in ("DELETE /items/{id}", "PUT /items/{id}", "POST /model/reload", "load", "GET /metrics", "/{a}-{b}/x"):
        assert key in notes
    drafted(server)


def test_a_thousand_paths_are_cut_and_said() -> None:
    server = documented({f"/p{n}": {"post": operation(ROW)} for n in range(3000)})
    it = found(server)
    assert len(it.routes) == 200
    assert any("and 2795 more: more than 200 routes" in note for note in it.notes)
    drafted(server)


def test_routes_that_could_match_one_request_are_not_both_listed() -> None:
    text = drafted(documented({"/{a}/x": {"post": operation(ROW)}, "/y/{b}": {"post": operation(ROW)}}))
    assert "not listed: POST" in text


def test_a_policy_of_more_than_a_mebibyte_is_made_smaller() -> None:
    wide = object_of(**{f"field_{n}_{'x' * 150}": {"type": "string", "description": "y" * 150} for n in range(900)})
    text = drafted(documented({f"/p{n}": {"post": operation(wide)} for n in range(5)}))
    assert len(text) <= 1 << 20
    assert "would be larger than 1 MiB" in text
    assert "field_0_" in text


def test_the_dialect_of_instances_is_the_operators_to_say() -> None:
    server = documented({"/predict": {"post": operation(object_of(instances=list_of(ROW)))}})
    assert "rows: /instances" in drafted(server)
    text = drafted(server, Wanted(dialect="vertex"))
    assert "dialect: vertex  # by --dialect vertex" in text
    assert "rows:" not in text


def test_a_list_whose_items_have_no_names_says_how_to_give_them() -> None:
    (note,) = request(list_of(NUMBER)).notes
    assert "`columns`" in note
