"""docs/policy.md is what the models say, and every key says what it means."""

from guard.policy.descriptions import DESCRIPTIONS, FIELDS
from guard.policy.models import Policy
from guard.policy.schema import schema
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
