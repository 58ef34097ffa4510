"""What instances share: members of the body that declared fields stand in, beside the instances."""

import json
from typing import Any

import pytest

from tests.dialects.speaking import JSON, ask, compiled, dumps, forwarded, refused

SHARED = "dialect: vertex\n{rest}input: {{a: {{type: integer}}, k: {{type: string, max_length: 3, at: /parameters/k, required: false{more}}}}}"


def shared(rest: str = "", more: str = "") -> Any:
    return compiled(SHARED.format(rest=f"{rest}\n" if rest else "", more=more))


def test_what_instances_share_is_judged_once_and_sent_once() -> None:
    body = {"instances": [{"a": 1}, {"a": 2}], "parameters": {"k": "abc"}}
    assert json.loads(forwarded(ask(shared(), JSON, dumps(body)))[1]) == body
    body["parameters"] = {"k": "abcd"}
    assert set(refused(shared(), JSON, dumps(body))) == {"/parameters/k length"}


def test_an_instance_does_not_speak_for_what_all_share() -> None:
    body = {"instances": [{"a": 1, "parameters": {"k": "own"}}, {"a": 2}], "parameters": {"k": "all"}}
    sent = json.loads(forwarded(ask(shared(), JSON, dumps(body)))[1])
    assert sent == {"instances": [{"a": 1}, {"a": 2}], "parameters": {"k": "all"}}
    for undeclared in ("reject", "pass"):
        assert refused(shared(f"undeclared: {undeclared}"), JSON, dumps(body)) == ["/instances/0/<undeclared> unknown"]
    del body["parameters"]
    assert refused(shared(), JSON, dumps(body)) == ["/parameters missing"] * 2


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ("a: {type: integer}, parameters: {type: object, send: false, fields: {k: {type: string}}}", {"instances": [{"a": 1}]}),
        ("a: {type: integer}, k: {type: string, at: /parameters/k, send: false}", {"instances": [{"a": 1}], "parameters": {}}),
    ],
)  # fmt: skip
def test_what_all_share_is_not_sent_either_where_it_is_not_to_be(fields: str, sent: Any) -> None:
    route = compiled(f"dialect: vertex\ninput: {{{fields}}}")
    body = dumps({"instances": [{"a": 1}], "parameters": {"k": "canary"}})
    assert json.loads(forwarded(ask(route, JSON, body))[1]) == sent


def test_nor_where_a_contract_that_is_observed_finds_no_instance() -> None:
    route = shared("enforcement: observe", ", send: false")
    body = dumps({"instances": [], "parameters": {"k": "canary"}})
    assert forwarded(ask(route, JSON, body))[1] == b'{"instances":[]}'
