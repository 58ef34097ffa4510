"""`guard contract`: what it says is what guard does."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from guard.contract.validators import FIRST_SECOND, LAST_SECOND
from guard.contract.violation_codes import CODES
from guard.dialects import DIALECTS
from guard.dialects.problem import TITLES
from guard.kit.contract.build import make
from guard.kit.contract.codes import CLIENT
from guard.kit.contract.document import document
from guard.kit.contract.formats import render
from guard.kit.contract.markdown import markdown
from guard.kit.contract.openapi import openapi
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.proxy.values import REASONS, REFUSALS, VIOLATIONS, Deny, Head
from tests.cli.test_cli import ROOT, guard, valid
from tests.dialects.speaking import FIELDS, LAYOUTS
from tests.privacy_pages import cells, parsed, unseen
from tests.test_privacy_words import HOSTILE

GOLDEN = Path(__file__).parent.parent / "golden" / "contract"
POLICIES = sorted(path for path in (ROOT / "policies").glob("*.yaml") if "\nroutes:" in path.read_text())
WALL = 1_800_000_000.0
JSON = [(b"content-type", b"application/json")]


def opened(path: Path) -> Any:
    loaded = load(path, environ={})
    return loaded, compile_plan(loaded, CompileContext())


def policy(folder: Path, text: str, key: str = "POST /p", rest: str = "") -> Path:
    lines = "".join(f"    {line}\n" for line in text.strip().splitlines())
    path = folder / "policy.yaml"
    path.write_text(
        f"version: guard/v1\nservice: s\nupstream: http://h:1\n{rest}routes:\n  '{key}':\n{lines}", encoding="utf-8"
    )
    return path


def api(path: Path) -> Any:
    loaded, plan = opened(path)
    made = openapi(make(loaded, plan, WALL), loaded)
    OpenAPIV31SpecValidator(made).validate()
    return made


# ── the whole ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("form", "name"), [("markdown", "contract.md"), ("openapi-yaml", "openapi.yaml")])
def test_the_whole_of_a_small_policy(form: str, name: str) -> None:
    loaded, plan = opened(GOLDEN / "policy.yaml")
    text = render(form, loaded, plan, WALL).replace(loaded.digest, "sha256:DIGEST")
    assert text == (GOLDEN / name).read_text()


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_every_policy_has_a_contract_in_each_form(path: Path) -> None:
    os.environ["SOURCE_DATE_EPOCH"] = "1800000000"
    try:
        by_name = {
            form: guard("contract", path, "--format", form) for form in ("markdown", "json", "openapi", "openapi-yaml")
        }
        assert guard("contract", path).stdout == by_name["markdown"].stdout
        assert guard("contract", path, "--json").stdout == by_name["json"].stdout
    finally:
        del os.environ["SOURCE_DATE_EPOCH"]
    assert all((done.returncode, done.stderr) == (0, "") for done in by_name.values())
    found = valid("contract.schema.json", json.loads(by_name["json"].stdout))
    headings = [cell.text for cell in cells(by_name["markdown"].stdout, "h2")]
    assert {route["route"] for route in found["routes"]} <= set(headings)
    document_read = json.loads(by_name["openapi"].stdout)
    OpenAPIV31SpecValidator(document_read).validate()
    assert yaml.safe_load(by_name["openapi-yaml"].stdout) == document_read
    operations = [entry["x-guard-route"] for item in document_read["paths"].values() for entry in item.values()]
    assert operations == [route["route"] for route in found["routes"]]


def test_a_broken_policy_is_refused_in_the_words_of_check(tmp_path: Path) -> None:
    path = policy(tmp_path, "inptu: {}")
    for flags, other in (((), ()), (("--json",), ("--json",)), (("--format", "openapi"), ("--json",))):
        done, checked = guard("contract", path, *flags), guard("check", path, *other)
        assert (done.returncode, done.stdout, done.stderr) == (1, checked.stdout, checked.stderr)
    assert not valid("contract.schema.json", json.loads(done.stdout))["valid"]
    assert guard("contract", path, "--format", "pdf").returncode == 2


def test_the_schema_refuses_what_is_not_a_contract() -> None:
    document_read = json.loads(json.dumps(document(make(*opened(GOLDEN / "policy.yaml"), WALL))))
    valid("contract.schema.json", document_read)
    for spoil in (
        lambda item: item.pop("everywhere"),
        lambda item: item["routes"][0]["fields"][0].pop("missing"),
        lambda item: item["routes"][0]["fields"][0]["null"].update(becomes="lost"),
        lambda item: item["routes"][0]["statuses"][0].update(status=99),
        lambda item: item.update(at="2026-01-01"),
    ):
        copy = json.loads(json.dumps(document_read))
        spoil(copy)
        with pytest.raises(Exception, match=r"oneOf|valid under"):
            valid("contract.schema.json", copy)


def test_every_code_has_its_words() -> None:
    assert list(CODES) == list(VIOLATIONS)
    assert set(CLIENT) <= {*REASONS, *REFUSALS}
    assert set(REASONS) <= set(CLIENT)
    assert set(TITLES) >= set(CLIENT)


# ── truth: what the document takes is what guard takes ────────────────────────────────────────────────────────────────

CONTRACTS = [
    "input: {a: {type: integer, min: 18, max: 30}, b: {type: number, required: false}, c: {enum: [x, y], nullable: true}}",
    "undeclared: reject\ninput: {a: {type: string, min_length: 2, max_length: 3, pattern: '^[a-c]*$'}, d: {type: boolean, default: true}}",
    "input: {a: {type: integer, at: /deep/er}, b: {enum: [1, 2], type: integer, required: false, at: /deep/b}, t: {type: timestamp, unit: s}}",
    "rows: /in/rows\ninput: {a: {type: number, missing: fall}, l: {type: array, max_items: 2, items: {type: integer, nullable: true}}}",
    "rows: ''\ncolumns: [a, b]\ninput: {a: {type: integer}, b: {type: string, required: false}}",
    "undeclared: reject\ninput: {o: {type: object, fields: {x: {type: integer}, y: {type: string, required: false}}}, n: {type: number, enum: [1, 2.5]}}",
    "input: {o: {type: object, nullable: true, fields: {x: {type: integer}}}, l: {type: array, required: false, items: {type: string}}}",
    "columns: [a, b]\ninput: {a: {type: boolean}, b: {type: number, default: 1}}",
    "columns: [a, b]\ninput: {a: {type: number, missing: fall}, b: {type: integer, nullable: true}}",
    "dialect: kserve-v1\ncolumns: [a, b]\ninput: {a: {type: integer, max: 3}, b: {type: integer}}",
    "dialect: vertex\ninput: {a: {type: integer, max: 3}, b: {type: string}, p: {type: number, at: /parameters/p, required: false}}",
    "dialect: vertex\nundeclared: pass\ninput: {a: {type: integer, max: 3}, p: {type: number, at: /parameters/p, required: false}}",
    "dialect: vertex\nundeclared: reject\ninput: {a: {type: integer, max: 3}, p: {type: number, at: /parameters/p, required: false}}",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 40), st.sampled_from([1.0, 2.5, 1e300, -0.5, 19.0]),
    st.sampled_from(["", "x", "y", "ab", "abc", "abcd", "12", "é"]),
)  # fmt: skip
NAMES = st.sampled_from(
    ["a", "b", "c", "d", "deep", "er", "x", "y", "o", "n", "t", "l", "in", "rows", "instances", "parameters", "p"]
)


def documents(example: Any) -> "st.SearchStrategy[Any]":
    """The example, with a few of its parts replaced, taken away or added."""
    anything = st.recursive(SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3), max_leaves=4)  # fmt: skip

    @st.composite
    def spoiled(draw: Any, value: Any) -> Any:
        if draw(st.integers(0, 5)) == 0:
            return draw(anything)
        if isinstance(value, dict):
            by_name = {name: draw(spoiled(item)) for name, item in value.items() if draw(st.integers(0, 9))}
            return by_name | (draw(st.dictionaries(NAMES, anything, max_size=1)) if draw(st.integers(0, 3)) == 0 else {})
        if isinstance(value, list):
            return [draw(spoiled(item)) for item in value for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2])))]
        return draw(SCALARS) if draw(st.booleans()) else value

    return spoiled(example)


@pytest.mark.parametrize("declared", CONTRACTS)
def test_the_schema_of_a_request_takes_what_the_contract_takes(tmp_path: Path, declared: str) -> None:
    loaded, plan = opened(policy(tmp_path, declared))
    found = openapi(make(loaded, plan, WALL), loaded)["paths"]["/p"]["post"]["requestBody"]["content"]["application/json"]

    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
    @given(documents(found["examples"]["least"]["value"]))
    def takes_the_same(body: Any) -> None:
        verdict = plan.routes[0].judges[0].judge(Head(b"POST", b"/p", JSON), json.dumps(body).encode(), WALL)
        assert jsonschema_rs.is_valid(found["schema"], body) == (not isinstance(verdict, Deny)), (body, verdict)

    takes_the_same()


@pytest.mark.parametrize(
    ("extra", "least", "largest"), [("", -(2**53 - 1), 2**53 - 1), ("integers: exact\n", -(2**63), 2**64 - 1)]
)
def test_the_schema_of_an_integer_ends_where_the_contract_ends_it(
    tmp_path: Path, extra: str, least: int, largest: int
) -> None:
    fields = "{n: {type: integer}, l: {type: array, items: {type: integer}}, o: {type: object, fields: {x: {type: integer}}}, low: {type: integer, min: 3}, high: {type: integer, max: 9}, e: {type: integer, enum: [1]}}"
    path = policy(tmp_path, f"{extra}input: {fields}")
    _, plan = opened(path)
    schema = api(path)["paths"]["/p"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    bounds = {"minimum": least, "maximum": largest}
    found = schema["properties"]
    shapes = [found["n"], found["l"]["items"], found["o"]["properties"]["x"], found["low"], found["high"]]
    assert [{word: shape[word] for word in bounds} for shape in shapes] == [
        *[bounds] * 3, bounds | {"minimum": 3}, bounds | {"maximum": 9},
    ]  # fmt: skip
    assert not bounds.keys() & found["e"].keys()
    valid_body = {"n": 0, "l": [0], "o": {"x": 0}, "low": 3, "high": 9, "e": 1}
    for number, taken in ((least - 1, False), (least, True), (largest, True), (largest + 1, False)):
        for spoiled in ({"n": number}, {"l": [number]}, {"o": {"x": number}}):
            body = valid_body | spoiled
            verdict = plan.routes[0].judges[0].judge(Head(b"POST", b"/p", JSON), json.dumps(body).encode(), WALL)
            assert (not isinstance(verdict, Deny), jsonschema_rs.is_valid(schema, body)) == (taken, taken), body
    assert (f"±{2**53 - 1}" in markdown(make(*opened(path), WALL))) == (not extra)


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 1000)])
def test_the_schema_of_an_epoch_number_ends_where_the_contract_ends_it(tmp_path: Path, unit: str, scale: int) -> None:
    path = policy(tmp_path, f"input: {{t: {{type: timestamp, unit: {unit}}}}}")
    _, plan = opened(path)
    schema = api(path)["paths"]["/p"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    least, largest = FIRST_SECOND * scale, LAST_SECOND * scale
    for number, taken in ((least - 1, False), (least, True), (largest, True), (largest + 1, False), (1e300, False)):
        body = {"t": number}
        verdict = plan.routes[0].judges[0].judge(Head(b"POST", b"/p", JSON), json.dumps(body).encode(), WALL)
        assert (not isinstance(verdict, Deny), jsonschema_rs.is_valid(schema, body)) == (taken, taken), body


@pytest.mark.parametrize("layout", sorted({(item.dialect, item.extra) for item in LAYOUTS}))
def test_each_dialect_has_a_request_that_works_and_an_answer_to_it(tmp_path: Path, layout: tuple[str, str]) -> None:
    path = policy(tmp_path, f"dialect: {layout[0]}\n{layout[1]}\n{FIELDS.strip()}")
    loaded, plan = opened(path)
    made = make(loaded, plan, WALL)
    (route,) = made.routes
    assert route.example is not None, route.no_example
    compiled = plan.routes[0]
    verdict = compiled.judges[0].judge(Head(b"POST", b"/p", JSON), json.dumps(route.example.body).encode(), WALL)
    assert (verdict.rows, list(verdict.violations)) == (1, [])
    answered = json.dumps(route.example.answer).encode()
    assert not compiled.output.judge(answered, 1, JSON).violations
    media = api(path)["paths"]["/p"]["post"]
    for part, body in ((media["requestBody"], route.example.body), (media["responses"]["2XX"], route.example.answer)):
        jsonschema_rs.validate(part["content"]["application/json"]["schema"], body)


@pytest.mark.parametrize(
    ("key", "declared"),
    [
        ("POST /v2/models/m/infer", "dialect: oip\ninput: {x: {type: array, datatype: FP32, shape: [-1, 2, 3], items: {type: number, min: 1}}, k: {type: integer, shape: [1], datatype: INT32}}"),
        ("POST /v2/models/m/infer", "dialect: oip\nrows: /in-0\ncolumns: [a, b]\ninput: {a: {type: number}, b: {type: integer, min: 3}}"),
        ("POST /v2/models/m/infer", "dialect: oip\ninput: {x: {type: array, min_items: 4, items: {type: string}}, when: {type: timestamp, unit: ms}}"),
        ("POST /v2/models/m/generate", "dialect: oip\ninput: {text_input: {type: string, min_length: 3}}\noutput: {text_output: {type: string}}"),
        ("POST /v1/chat/completions", "dialect: openai\ninput: {roles: {type: array, items: {enum: [user]}}, characters: {type: integer, min: 2, max: 100}, max_tokens: {type: integer, min: 1}}"),
        ("POST /v1/embeddings", "dialect: openai\ninput: {texts: {type: array, items: {type: string, max_length: 5}}}"),
        ("POST /v1/chat/completions", "dialect: openai\ninput: {texts: {type: array, items: {type: string, min_length: 9, max_length: 12}}}"),
        ("POST /v1/completions", "dialect: openai\ninput: {temperature: {type: number, min: 0, max: 2}}"),
    ],
)  # fmt: skip
def test_tensors_and_prompts_have_one_that_works_too(tmp_path: Path, key: str, declared: str) -> None:
    loaded, plan = opened(policy(tmp_path, declared, key))
    (route,) = make(loaded, plan, WALL).routes
    assert route.example is not None, route.no_example
    head = Head(b"POST", key.partition(" ")[2].encode(), JSON)
    verdict = plan.routes[0].judges[0].judge(head, json.dumps(route.example.body).encode(), WALL)
    assert not verdict.violations
    assert not isinstance(verdict, Deny)
    api(policy(tmp_path, declared, key))


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_dialect_of_the_registry_is_described(tmp_path: Path, dialect: str) -> None:
    path = policy(
        tmp_path, f"dialect: {dialect}\ninput: {{texts: {{type: array, items: {{type: string}}}}}}", "POST /v1/embed"
    )
    made = make(*opened(path), WALL)
    assert made.routes[0].dialect == dialect
    assert made.routes[0].content[0] == "application/json"
    assert set(DIALECTS[dialect].request_layout.notes) <= set(made.routes[0].notes)
    assert f"- dialect: `{dialect}`" in markdown(made)
    api(path)


def test_where_nothing_can_be_guessed_it_says_so(tmp_path: Path) -> None:
    loaded, plan = opened(policy(tmp_path, "input: {a: {type: string, pattern: '[[:alpha:]]{3}'}}"))
    made = make(loaded, plan, WALL)
    assert made.routes[0].example is None
    assert "There is no example: cannot generate a value for this pattern; give an `example`." in markdown(made)


def test_patterns_that_other_engines_read_otherwise_are_not_given_as_theirs(tmp_path: Path) -> None:
    made = api(policy(tmp_path, "input: {a: {type: string, pattern: '(?i)^a$'}, b: {type: string, pattern: '^[a-z]+$'}}"))
    fields = made["paths"]["/p"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert (fields["a"].get("pattern"), fields["a"]["x-guard-pattern"]) == (None, "(?i)^a$")
    assert fields["b"]["pattern"] == "^[a-z]+$"


def test_a_schema_file_keeps_its_references(tmp_path: Path) -> None:
    schema = {
        "$id": "http://e.example/x",
        "$ref": "#/$defs/x",
        "const": {"$ref": "#/a"},
        "$defs": {"x": {"items": {"$ref": "#"}}},
    }
    (tmp_path / "a").mkdir()
    (tmp_path / "in.json").write_text(json.dumps(schema))
    (tmp_path / "a" / "in.json").write_text("true")
    made = api(policy(tmp_path, "input: {schema: in.json}\noutput: {schema: a/in.json}"))
    found = made["components"]["schemas"]
    assert found["in"]["$ref"] == "#/components/schemas/in/$defs/x"
    assert found["in"]["$defs"]["x"]["items"]["$ref"] == "#/components/schemas/in"
    assert found["in"]["const"] == {"$ref": "#/a"}
    assert found["in_"] is True


def test_paths_that_openapi_has_no_word_for(tmp_path: Path) -> None:
    rest = "  GET /a/*: passthrough\n  GET /m/{wildcard}/*: passthrough\n  POST /m/{x}:predict: passthrough\n  PURGE /p: passthrough\n"
    (path := policy(tmp_path, "input: {a: {type: integer}}", "POST /a/{x}")).write_text(
        path.read_text() + rest.replace("POST /m/{x}:predict:", '"POST /m/{x}:predict":')
    )
    made = api(path)
    assert sorted(made["paths"]) == ["/a/{x}", "/m/{wildcard}/{wildcard_}", "/m/{x}:predict"]
    assert sorted(made["paths"]["/a/{x}"]) == ["get", "post"]
    assert made["paths"]["/a/{x}"]["get"]["x-guard-wildcard"] == "x"


# ── what becomes of what is not there ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "missing", "null"),
    [
        ("{type: integer}", "denied", "denied"),
        ("{type: integer, required: false}", "left_out", "left_out"),
        ("{type: integer, default: 3}", "default", "default"),
        ("{type: integer, nullable: true}", "denied", "kept"),
        ("{type: integer, nullable: true, default: 3}", "default", "kept"),
        ("{type: integer, missing: fall}", "falls", "falls"),
    ],
)
@pytest.mark.parametrize("dialect", ["json", "kserve-v1"])
def test_what_it_says_of_missing_and_null_is_what_happens(tmp_path: Path, field: str, missing: str, null: str, dialect: str) -> None:  # fmt: skip
    loaded, plan = opened(policy(tmp_path, f"dialect: {dialect}\ninput: {{f: {field}, g: {{type: integer}}}}"))
    said = make(loaded, plan, WALL).routes[0].fields[0]
    assert said.missing is not None
    assert (said.missing.becomes, said.null.becomes) == (missing, null)
    for instance, effect in (({"g": 1}, said.missing), ({"f": None, "g": 1}, said.null)):
        body = {"instances": [instance]} if dialect == "kserve-v1" else instance
        verdict = plan.routes[0].judges[0].judge(Head(b"POST", b"/p", JSON), json.dumps(body).encode(), WALL)
        if effect.becomes == "denied":
            assert [violation.code for violation in verdict.violations] == [effect.code]
            continue
        sent = json.loads(verdict.body)
        sent = sent["instances"][0] if dialect == "kserve-v1" else sent
        found = {"g": 1} | ({"f": 3} if effect.becomes == "default" else {"f": None} if effect.becomes == "kept" else {})
        if effect.becomes == "falls":
            assert verdict.reason == effect.code == "missing"
            sent.pop("f", None)
        assert sent == found


# ── words of a policy ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", [word for word in HOSTILE if "\u2028" not in word])  # which no policy may hold
def test_a_policy_of_hostile_words_has_a_page_of_the_same_shape(tmp_path: Path, word: str) -> None:
    def page(said: str) -> tuple[list[str], list[Any], str]:
        loaded, plan = opened(
            policy(
                tmp_path,
                f"rows: /r\ninput: {{{said}: {{type: object, unit: {said}, description: {said}, fields: {{{said}: {{enum: [{said}]}}}}}}}}\n"
                f"output: {{{said}: {{enum: [{said}], meaning: {said}, calibration: {{report: {said}}}}}}}\n"
                f"fallback: [{{previous: {{url: 'http://h:2', version: {said}}}}}, {{rules: [{{answer: {{{said}: {said}}}}}]}}]",
                rest=f"owners: {{serving: {said}, incidents: {{team: {said}, runbook: {said}}}}}\nrelease: {{model: {said}, version: {said}}}\n",
            )
        )
        made = make(loaded, plan, WALL)
        valid("contract.schema.json", json.loads(json.dumps(document(made))))
        OpenAPIV31SpecValidator(openapi(made, loaded)).validate()
        assert yaml.safe_load(render("openapi-yaml", loaded, plan, WALL)) == openapi(made, loaded)
        whole = markdown(made)
        return [item.type for item in parsed(whole)], cells(whole, "td"), whole

    types, found, whole = page(json.dumps(word))
    plain_types, plain, _ = page("plain")
    assert types == plain_types
    assert len(found) == len(plain)
    assert all(item.tags <= {"text", "code_inline", "text_special"} for item in found)
    assert (
        sum(unseen(word).strip() in item.text for item in found)
        >= sum("plain" in character.text for character in plain) - 3
    )
    assert all(item.isprintable() or item == "\n" for item in whole)
