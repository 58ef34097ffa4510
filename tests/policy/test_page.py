"""docs/policy.md is what the models say, and every key says what it means and has an example that is accepted."""

from pathlib import Path

import pytest

from guard.monitoring.cells import FieldSpec
from guard.monitoring.reference import CutMaker
from guard.policy.descriptions import DESCRIPTIONS, FIELDS
from guard.policy.loading import load
from guard.policy.models import Policy
from guard.policy.schema import schema
from tests.policy.examples import EXAMPLES, WHERE
from tests.policy.page import PAGE, page, properties


def test_the_page_is_what_the_models_say() -> None:
    assert PAGE.read_text() == page(), "python -m tests.policy.page"


def test_every_key_is_described() -> None:
    whole = schema()
    missing = [
        f"{name}.{key}"
        for name, part in {"Policy": whole, **whole["$defs"]}.items()
        for key, declared in properties(part).items()
        if not declared.get("description", "").strip()
    ]
    assert missing == []


def test_no_description_stands_where_it_is_not_read() -> None:
    """A model's own word comes first, so a second one here would be dead."""
    schema_read = Policy.model_json_schema(by_alias=True)
    parts = {"Policy": schema_read, **schema_read["$defs"]}
    for name, words in DESCRIPTIONS.items():
        for key in words:
            places = [parts[item]["properties"].get(key) for item in (FIELDS if name == "Shape" else (name,))]
            known = [place for place in places if place is not None]
            assert known, f"{name}.{key} is no key"
            assert any("description" not in place for place in known), f"{name}.{key} has a word of its own"


def test_every_key_has_an_example() -> None:
    whole = schema()
    parts = {"Policy": whole, **whole["$defs"]}
    assert {name: set(EXAMPLES.get(name, {})) for name in parts} == {
        name: set(properties(part)) for name, part in parts.items()
    }


def _reference() -> str:
    rows = CutMaker([FieldSpec("age", "input", "number")]).finish()
    rows.add({("input", "age"): 30})
    return rows.finish("2025-06-01T00:00:00Z", None).to_json()


@pytest.mark.parametrize(("part", "key"), [(part, key) for part, examples in EXAMPLES.items() for key in examples])
def test_an_example_is_accepted_and_shows_its_key(part: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "org.yaml").write_text("version: guard/v1\nowners: {approvals: risk-lead}\n")
    (tmp_path / "request.json").write_text('{"type": "object"}')
    (tmp_path / "reference.json").write_text(_reference())
    path = tmp_path / "policy.yaml"
    path.write_text(WHERE[part](EXAMPLES[part][key]))
    load(path, environ={"GUARD_ALERT_URL": "https://alerts.example", "GUARD_HASH_KEY": "k"})
    assert f"{key}:" in EXAMPLES[part][key]
