"""Warnings: what a policy may say and probably does not mean."""

import json
from pathlib import Path
from typing import Any

import pytest

from guard.contract.schema_drafts import KEYWORDS
from guard.policy.loading import load
from guard.policy.units import misspelled

HEAD = "version: guard/v1\nservice: s\nupstream: http://127.0.0.1:8080\nroutes:\n  POST /p:\n"
SEVEN = "http://json-schema.org/draft-07/schema#"


def warned(tmp_path: Path, schema: Any) -> list[str]:
    (tmp_path / "in.json").write_text(json.dumps(schema))
    (tmp_path / "policy.yaml").write_text(HEAD + "    input: {schema: in.json}\n    output: {schema: in.json}\n")
    results = [warning.message for warning in load(tmp_path / "policy.yaml", environ={}).warnings]
    half = len(results) // 2
    assert results[:half] == results[half:]  # input and output alike
    return results[:half]


@pytest.mark.parametrize(
    ("schema", "warning"),
    [
        ({"propertys": {}}, "propertys at #: not a keyword, and ignored; did you mean properties?"),
        ({"items": {"Type": "x"}}, "Type at #/items: not a keyword, and ignored; did you mean type?"),
        ({"$defs": {"a/b": {"minumum": 1}}}, "minumum at #/$defs/a~1b: not a keyword, and ignored; did you mean minimum?"),
        ({"allOf": [{}, {"zzz": 1}]}, "zzz at #/allOf/1: not a keyword, and ignored"),
        (
            {"$ref": "#/x-more", "x-more": {"requird": []}},
            "requird at #/x-more: not a keyword, and ignored; did you mean required?",
        ),
        ({"nullable": True}, 'nullable at #: a keyword of OpenAPI that JSON Schema ignores: write "type": [..., "null"]'),
        (
            {"$schema": SEVEN, "prefixItems": []},
            "prefixItems at #: a keyword of draft 2020-12 that draft 7 ignores",
        ),
        (
            {"$schema": SEVEN, "allOf": [{"$ref": "#/definitions/n", "maximum": 3}], "definitions": {"n": {}}},
            "maximum at #/allOf/0: draft 7 ignores it beside $ref: write both into allOf",
        ),
        ({"format": "date_time"}, "format at #: draft 2020-12 asserts no format of this name; did you mean date-time?"),
        ({"$schema": SEVEN, "format": "uuid"}, "format at #: draft 7 asserts no format of this name"),
    ],
)
def test_what_a_schema_file_says_in_vain_is_a_warning(tmp_path: Path, schema: Any, warning: str) -> None:
    assert warned(tmp_path, schema) == [warning]


def test_what_is_no_keyword_on_purpose_is_no_warning(tmp_path: Path) -> None:
    data = {"propertys": 1}
    assert warned(tmp_path, {"x-note": data, "const": data, "examples": [data], "default": data, "example": 1}) == []
    assert warned(tmp_path, {"properties": {"propertys": {"type": "string", "format": "date"}}}) == []


def test_many_warnings_are_counted(tmp_path: Path) -> None:
    found = warned(tmp_path, {f"zz{number}": 1 for number in range(25)})
    assert len(found) == 11
    assert found[-1] == "15 more keywords are ignored"


@pytest.mark.parametrize("draft", KEYWORDS)
def test_every_keyword_that_a_meta_schema_defines_is_known(draft: str) -> None:
    from jsonschema_specifications import REGISTRY

    uri = {
        "4": "http://json-schema.org/draft-04/schema",
        "6": "http://json-schema.org/draft-06/schema",
        "7": SEVEN.removesuffix("#"),
        "2019-09": "https://json-schema.org/draft/2019-09/schema",
        "2020-12": "https://json-schema.org/draft/2020-12/schema",
    }[draft]
    below = uri.rpartition("/")[0] + "/meta/"
    resources = [REGISTRY.contents(name) for name in REGISTRY if name == uri or name.startswith(below)]
    words = {word for resource in resources for word in resource["properties"]}
    assert words - {"$recursiveAnchor", "$recursiveRef"} <= KEYWORDS[draft] | {"$recursiveAnchor", "$recursiveRef"}
    assert len(words) > 30


FIELDS = """
    input:
      n: {type: number, nullable: true}
      xs: {type: array, items: {type: number}, min_items: 1}
      o:
        type: object
        fields: {k: {type: string}, m: {type: number, required: false}, z: {type: number, nullable: true}}
      "a b": {type: number, nullable: true}
    output: {label: {type: string}}
    fallback:
      - rules:
          - {when: 'CONDITION', answer: {label: a}}
          - {answer: {label: b}}
"""


@pytest.mark.parametrize(
    ("condition", "writes"),
    [
        ("n > 5", ["n != null"]),
        ("n + 1 == 2 || n < 3", ["n != null"]),
        ("!(n > 5)", ["n != null"]),
        ('input["a b"] > 5', ['input["a b"] != null']),
        ("xs[1] > 2", ["size(xs) > 1"]),
        ("o.m > 2", ["has(o.m)"]),
        ("o.nobody == 2", ["has(o.nobody)"]),
        ("o.z > 2", ["o.z != null"]),
        ("n == null ? n > 1 : false", ["n != null"]),
        ("xs.exists(x, x > n)", ["n != null"]),
        ("n != null && n > 5", []),
        ("n > 5 && n != null", []),
        ("n == null || n > 5", []),
        ("!(n == null) && n > 5", []),
        ("n == null ? false : n > 5", []),
        ("n == 5", []),
        ("n in [1, 2]", []),
        ("n == 5 && n + 1 > 2", []),
        ("xs[0] > 2", []),
        ("size(xs) > 1 && xs[1] > 2", []),
        ("has(o.m) && o.m > 2", []),
        ('"m" in o && o.m > 2', []),
        ('o.k == "a"', []),
        ("xs.exists(n, n > 1)", []),
    ],
)
def test_a_value_that_a_rule_cannot_take_is_a_warning(tmp_path: Path, condition: str, writes: list[str]) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD + FIELDS.removeprefix("\n").replace("CONDITION", condition))
    warnings = load(tmp_path / "policy.yaml", environ={}).warnings
    assert [warning.message.partition("; write ")[2].removesuffix(" && …") for warning in warnings] == writes
    assert all("the rule does not apply then" in warning.message for warning in warnings)


MINIMAL = """    input: {n: {type: number}}
    output: {label: {type: string}}
    timeout: {attempt: 40s, request: 60s}
    fallback:
      - rules:
          - {answer: {label: a}}
"""


@pytest.mark.parametrize(
    ("targets", "warned"),
    [
        ("latency_p95: 30s", ""),
        ("latency_p95: 60s", "targets.latency_p95: no request takes longer than timeout.request, 1m: always kept"),
        ("latency_p95: 1s, expected_rate: 0.02/s", "targets.latency_p95: its alert needs 100 requests in 30 minutes"),
        ("error_rate: 1%, expected_rate: 0.02/s", ""),
        ("expected_rate: 0.01/s", "targets.expected_rate: 18 requests in 30 minutes are too few for silence to be a sign"),
        ("error_rate: 100%", "targets.error_rate: no more than 100% can fail: always kept"),
        ("availability: 0%", "targets.availability: a share of 0% is always kept"),
        ("model_share: 0%", "targets.model_share: a share of 0% is always kept"),
        ("availability: 100%", "targets.availability: 100% leaves no budget that could burn"),
        ("cost: {daily: 0 EUR, per_request: 0.1 EUR}", "targets.cost.daily: a budget of 0 has no share that is spent"),
        ("cost: {daily: 20 EUR, per_request: 0 EUR}", "targets.cost: every price is 0: nothing is counted against it"),
        ("cost: {daily: 20 EUR, per_million_input_tokens: 2 EUR}", ""),
        ("error_rate: 1%, latency_p95: 1s, expected_rate: 1/s", ""),
        ("availability: 99%, model_share: 90%, expected_rate: 1/s", ""),
        ("quality: {auc: 0.8}", "targets.quality: without `labels` guard cannot measure it"),
        ("cost: {daily: 20 EUR}", "targets.cost: there is no price of a request or a token"),
        ("cost: {daily: 20 EUR, per_request: 0.1 EUR}", ""),
    ],
)
def test_a_target_that_nothing_can_measure_is_a_warning(tmp_path: Path, targets: str, warned: str) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD + MINIMAL + f"targets: {{{targets}}}\n")
    warnings = [f"{'.'.join(map(str, w.path))}: {w.message}" for w in load(tmp_path / "policy.yaml", environ={}).warnings]
    assert len(warnings) == bool(warned)
    assert all(warning.startswith(warned) for warning in warnings)


@pytest.mark.parametrize(
    ("quality", "warned"),
    [("{accuracy: 0.9, ece: 0.05, roc_auc: 0.8}", []), ("{auc: 0.8, rmsle: 0.1}", ["targets.quality.rmsle"])],
)
def test_with_labels_only_a_figure_that_they_do_not_tell_is_a_warning(
    tmp_path: Path, quality: str, warned: list[str]
) -> None:
    (tmp_path / "policy.yaml").write_text(
        HEAD + MINIMAL + f"targets: {{quality: {quality}}}\nlabels: {{key: {{env: RECEIPTS}}}}\n"
    )
    found = load(tmp_path / "policy.yaml", environ={"RECEIPTS": "x" * 16}).warnings
    assert [".".join(map(str, warning.path)) for warning in found] == warned


def test_a_share_of_the_model_where_nothing_else_answers_is_a_warning(tmp_path: Path) -> None:
    text = HEAD + MINIMAL.partition("    fallback")[0] + "targets: {model_share: 90%}\n"
    (tmp_path / "policy.yaml").write_text(text)
    (warning,) = load(tmp_path / "policy.yaml", environ={}).warnings
    assert "no route has a rung below the model" in warning.message


@pytest.mark.parametrize(
    ("dialect", "path", "fields", "warns"),
    [
        ("openai", "/v1/chat/completions", "user: {type: string, detect: [email]}", True),
        ("openai", "/v1/chat/completions", "texts: {type: array, items: {type: string, detect: [email]}}", False),
        ("openai", "/v1/chat/completions", "user: {type: string}", False),
        ("tei", "/rerank", "query: {type: string, detect: [email]}", True),
        ("vertex", "/p", "user: {type: string, detect: [email]}", False),
    ],
)
def test_a_field_with_detect_beside_texts_that_nothing_searches_warns(
    tmp_path: Path, dialect: str, path: str, fields: str, warns: bool
) -> None:
    route = f"    dialect: {dialect}\n    timeout: {{attempt: 3s}}\n    input: {{{fields}}}\n"
    (tmp_path / "policy.yaml").write_text(HEAD.replace("/p", path) + route)
    results = [warning.message for warning in load(tmp_path / "policy.yaml", environ={}).warnings]
    assert results == ["only this member is searched; declare `texts` for every text of a request"] * warns


@pytest.mark.parametrize(
    ("dialect", "path", "timeout", "warns"),
    [
        ("openai", "/v1/chat/completions", "", True),
        ("openai", "/v1/completions", "", True),
        ("openai", "/v1/responses", "timeout: {idle: 1m}", True),
        ("openai", "/v1/chat/completions", "timeout: {attempt: 9m, request: 10m}", False),
        ("openai", "/v1/embeddings", "", False),
        ("oip", "/v2/models/m/generate_stream", "", True),
        ("oip", "/v2/models/m/infer", "", False),
    ],
)
def test_a_route_that_writes_text_with_the_default_time_for_an_answer_warns(
    tmp_path: Path, dialect: str, path: str, timeout: str, warns: bool
) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD.replace("/p", path) + f"    dialect: {dialect}\n    {timeout}\n")
    results = [warning.message for warning in load(tmp_path / "policy.yaml", environ={}).warnings]
    assert len(results) == warns
    assert all(message.startswith("attempt is 3s, by which a text must be whole") for message in results)


def test_a_number_in_a_place_is_said_to_be_a_name(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        HEAD + "    input: {a: {type: number, at: /rows/0}}\n    output: {s: {type: number, at: /predictions/0/s}}\n"
    )
    assert [warning.message for warning in load(tmp_path / "policy.yaml", environ={}).warnings] == [
        "`0` is the name of a member, not a position in a list; `columns` names positions of a row",
        "`0` is the name of a member, not a position in a list; `*` is each element of a list",
    ]


@pytest.mark.parametrize(
    ("targets", "warned"),
    [
        ("error_rate: 20%, burn: {act: [freeze]}", "targets.error_rate: a budget of 0.2 cannot burn 14.4 times as fast"),
        ("error_rate: 1%, burn: {act: [freeze]}", ""),
        ("error_rate: 20%", ""),
        ("model_share: 90%, burn: {}", "targets.model_share: a budget of 0.1 cannot burn 14.4 times"),
        ("expected_rate: 1/s, burn: {act: [freeze]}", "targets.burn: no target has a budget"),
        ("availability: 99%, burn: {act: [descend], descend: rules}", "targets.burn.act: only latency_p95 and error_rate"),
        ("error_rate: 1%, burn: {act: [descend], descend: rules}", ""),
    ],
)
def test_a_burn_that_cannot_happen_is_a_warning(tmp_path: Path, targets: str, warned: str) -> None:
    (tmp_path / "policy.yaml").write_text(HEAD + MINIMAL + f"targets: {{{targets}}}\n")
    warnings = [f"{'.'.join(map(str, w.path))}: {w.message}" for w in load(tmp_path / "policy.yaml", environ={}).warnings]
    assert len(warnings) == bool(warned)
    assert all(warning.startswith(warned) for warning in warnings)


def test_a_descent_without_a_rung_is_a_warning(tmp_path: Path) -> None:
    text = (
        HEAD + MINIMAL.partition("    fallback")[0] + "targets: {error_rate: 1%, burn: {act: [descend], descend: rules}}\n"
    )
    (tmp_path / "policy.yaml").write_text(text)
    (warning,) = load(tmp_path / "policy.yaml", environ={}).warnings
    assert "no route has a rung that answers at rules or below" in warning.message


@pytest.mark.parametrize(
    ("route", "warned"),
    [
        ("limits: {queue_timeout: 1s}", "a call waits up to 1s for a slot, longer than targets.latency_p95, 300ms"),
        ("limits: {queue_timeout: 300ms}", ""),
        (
            "breaker: {slow: {duration: 500ms, rate: 80%}}",
            "a call is slow from 500ms, later than targets.latency_p95, 300ms",
        ),
        ("breaker: {slow: {duration: 300ms, rate: 80%}}", ""),
    ],
)
def test_a_time_that_contradicts_the_latency_target_is_a_warning(tmp_path: Path, route: str, warned: str) -> None:
    text = HEAD + MINIMAL.rstrip("\n") + f"\n    {route}\ntargets: {{latency_p95: 300ms}}\n"
    (tmp_path / "policy.yaml").write_text(text)
    assert [warning.message for warning in load(tmp_path / "policy.yaml", environ={}).warnings] == [warned] * bool(warned)


@pytest.mark.parametrize(
    ("unit", "meant"),
    [
        ("milligrms", "milligrams"),
        ("milligrms/litre", "milligrams/litre"),
        ("EUR/mounth", "EUR/month"),
        ("Kilogrms per hour", "kilograms per hour"),
        ("Kg", "kg"),
        ("KWH", "kWh"),
        ("secnds", "seconds"),
    ],
)
def test_a_unit_that_is_nearly_a_known_one_is_a_warning_with_that_one(tmp_path: Path, unit: str, meant: str) -> None:
    text = f"    input: {{a: {{type: object, fields: {{b: {{type: number, unit: {unit}}}}}}}}}\n    output: {{y: {{type: number}}}}\n"
    (tmp_path / "policy.yaml").write_text(HEAD + text)
    (warning,) = load(tmp_path / "policy.yaml", environ={}).warnings
    assert warning.path[-1] == "unit"
    assert warning.message.endswith(f"is not a known unit; did you mean {meant}?")


@pytest.mark.parametrize(
    "unit",
    [
        "years",
        "mg",
        "Mg",
        "µm²",
        "EUR/month",
        "grey levels",
        "dimensionless",
        "cm",
        "mmHg",
        "m/s^2",
        "°C",
        "%",
        "kilometres",
    ],
)
def test_a_unit_of_any_other_kind_is_taken_as_it_stands(unit: str) -> None:
    assert misspelled(unit) == ""
