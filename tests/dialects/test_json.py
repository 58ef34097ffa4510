"""Whose doing an answer is, and the one shape of errors."""

import json

import pytest

from guard.dialects import DIALECTS
from guard.dialects.common import Common
from guard.dialects.problem import TITLES
from guard.ladder.model import Model
from guard.policy.compiling import CompileContext
from guard.policy.errors import PolicyInvalid
from guard.proxy.rescue import STATUS
from guard.proxy.values import REASONS, REFUSALS, CodecSpec, Problem, Violation
from tests.dialects.speaking import JSON, ask, compiled


def test_a_problem() -> None:
    content_type, body = DIALECTS["json"].error(Problem(422, "contract", "id", [Violation("/a", "min")]))
    assert content_type == b"application/problem+json"
    assert json.loads(body) == {
        "type": "urn:guard:error:contract",
        "title": "The request breaks the contract",
        "status": 422,
        "code": "contract",
        "request_id": "id",
        "violations": [{"pointer": "/a", "code": "min"}],
    }


def test_every_code_has_a_title_and_every_refusal_a_status() -> None:
    assert set(TITLES) == {*REASONS, *REFUSALS}
    assert set(STATUS) == set(REFUSALS)


class House(Common):
    """What somebody might add: no form of its own, or one that cannot be had."""

    name = "house"


def test_a_dialect_without_a_form_leaves_the_layout_to_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DIALECTS, "vertex", House())
    route = compiled("dialect: vertex\nrows: /people\ninput: {age: {type: integer}}")
    assert ask(route, JSON, b'{"people":[{"age":34},{"age":35}]}').rows == 2


def test_what_a_form_cannot_do_is_a_mistake_of_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Choosy(House):
        def codec(self, spec: CodecSpec) -> None:
            raise ValueError(f"not on {spec.template}")

    monkeypatch.setitem(DIALECTS, "vertex", Choosy())
    with pytest.raises(PolicyInvalid, match=r"policy.yaml:6:14: .*dialect: not on /p"):
        compiled("dialect: vertex\ninput: {age: {type: integer}}")


def test_the_version_that_a_platform_names_is_only_of_dialects_of_that_platform() -> None:
    for name, version in (("vertex", "d-1"), ("kserve-v1", "")):
        route = compiled(f"dialect: {name}\ninput: {{age: {{type: integer}}}}", means=CompileContext(deployed="d-1"))
        model = route.ladder[0]
        assert isinstance(model, Model)
        assert model.target.version == version
