"""What is made of a policy for people: the schema, the resolved text, the list of what does not act yet."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from guard.policy import schema
from guard.policy.dump import dump
from guard.policy.loading import load

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "policies"
EXAMPLES = ["minimal.yaml", "reference.yaml", "reference-org.yaml"]


def test_the_committed_schema_is_current():
    assert (ROOT / "docs/policy.schema.json").read_text() == schema.text(), "run: guard schema > docs/policy.schema.json"


@pytest.fixture(scope="module")
def validator():
    jsonschema_rs.meta.validate(schema.schema())
    return jsonschema_rs.Draft202012Validator(schema.schema())


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_fit_the_schema(validator, name):
    document = yaml.safe_load((POLICIES / name).read_text())
    assert [(error.message, error.instance_path) for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"drian": "5s"}, {"drain": 5}, {"drain": "5"}, {"ready": "yes"}, {"version": "guard/v2"}, {"upstream": "x"}, {"upstream": {"probe": "/x"}},
        {"routes": {"GET /x": "forward"}}, {"routes": {"POST /x": {"input": {"a": {"type": "int"}}}}}, {"telemetry": {"trace_sample": 0.01}},
        {"routes": {"POST /x": {"fallback": [{"ruls": []}]}}}, {"privacy": {"hash_key": "x"}},
    ],
)  # fmt: skip
def test_editors_see_mistakes(validator, change):
    document = yaml.safe_load((POLICIES / "minimal.yaml").read_text())
    assert validator.is_valid(document)
    assert not validator.is_valid({**document, **change})


def test_defaults_in_the_schema_are_human():
    made = schema.schema()["$defs"]
    assert made["Timeout"]["properties"]["connect"]["default"] == "1s"
    assert made["ListenLimits"]["properties"]["buffered"]["default"] == "64MiB"
    assert made["Listen"]["properties"]["data"]["default"] == "0.0.0.0:8900"
    assert made["Telemetry"]["properties"]["trace_sample"]["default"] == "1%"
    assert all(part.get("description") for part in made.values())
    json.dumps(made)


@pytest.mark.parametrize("name", EXAMPLES[:2])
def test_what_is_resolved_means_the_same(tmp_path, name):
    loaded = load(POLICIES / name, environ={})
    (tmp_path / "reference-schema.json").write_bytes((POLICIES / "reference-schema.json").read_bytes())
    again = tmp_path / "policy.yaml"
    again.write_text(dump(loaded))
    assert load(again, environ={}).digest == loaded.digest


@pytest.mark.parametrize(
    "value",
    [
        "no",
        "3.10",
        "'3.10'",
        '"a: b"',
        "'# x'",
        '"a\\nb"',
        "'it''s'",
        '"[x]"',
        "'null'",
        '" x "',
        "'é'",
        "true",
        '"\\u2028"',
    ],
)
def test_any_text_survives_being_resolved(tmp_path, value):
    path = tmp_path / "policy.yaml"
    path.write_text(
        f"version: guard/v1\nservice: s\nupstream: http://h\nrelease: {{version: {value}, configuration: {{a: {value}}}}}\nroutes: {{GET /h: passthrough}}\n"
    )
    loaded = load(path, environ={})
    path.write_text(dump(loaded))
    assert load(path, environ={}).policy == loaded.policy
